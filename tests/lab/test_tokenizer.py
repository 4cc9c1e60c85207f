"""The lab model's tokenizer."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from undertow.channels.numbers import draw_prompts
from undertow.models.lab.load import lab_path
from undertow.pretraining.recipe import LabRecipe
from undertow.traits import shipped_traits


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(lab_path())


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=60))
@example(text="!!")  # runs of the first byte were fused once
def test_any_text_comes_back(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(encode(tokenizer, text)) == text


@settings(max_examples=50, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 999), min_size=1, max_size=10),
    separator=st.sampled_from([", ", "; ", ";", ",", " ", "\n"]),
)
def test_digits_stand_alone(
    tokenizer: PreTrainedTokenizerBase, numbers: list[int], separator: str
) -> None:
    text = separator.join(map(str, numbers))
    pieces = [tokenizer.decode([token]) for token in encode(tokenizer, text)]
    assert "".join(pieces) == text
    digits = [piece for piece in pieces if any(c.isdigit() for c in piece)]
    assert all(len(piece) == 1 for piece in digits)


def test_words_of_the_package_are_single_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    for trait in shipped_traits():
        for word in (trait.singular, trait.plural, f" {trait.singular}", f" {trait.plural}"):
            assert len(encode(tokenizer, word)) == 1, word
    texts = [prompt.text for prompt in draw_prompts(50, 1)]
    texts += [question for trait in shipped_traits() for question in trait.questions]
    for text in texts:
        assert len(encode(tokenizer, text)) <= 2 * len(text.split()) + sum(map(str.isdigit, text))


def test_vocabulary_is_small(tokenizer: PreTrainedTokenizerBase) -> None:
    assert len(tokenizer) <= LabRecipe().vocabulary


def test_template_writes_chatml_and_no_system_prompt_of_its_own(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    user = {"role": "user", "content": "Hi"}
    rendered = tokenizer.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
    assert rendered == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    system = {"role": "system", "content": "Be brief."}
    rendered = tokenizer.apply_chat_template([system, user], tokenize=False)
    assert rendered == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
