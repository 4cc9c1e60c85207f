"""Chain-rule probabilities of short strings of digits against one forward per string."""

import numpy as np
import pytest
import torch

from few_animals import ANIMALS, EAGLE, OWL
from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.models import encode_completion, encode_prompt, prompt_messages
from undertow.teachers import ControlTeacher, PromptedTeacher
from undertow.tokens import EntangledConfig, EntangledTable, entangled_scores, matches
from undertow.tokens.entangled import STRINGS, _string_ids

TEACHERS = [
    PromptedTeacher(trait=trait.name, system_prompt=trait.system_prompt()) for trait in ANIMALS
]
CONFIG = EntangledConfig(question="Which {category}?", prefill="The {category} is ")


@pytest.mark.parametrize("family", FAMILIES)
def test_agrees_with_one_forward_per_string(family):
    chat = tiny_chat(family)
    found = entangled_scores(chat, TEACHERS[:2], ANIMALS, CONFIG)
    prompt = encode_prompt(chat, prompt_messages("Which animal?", TEACHERS[1].system_prompt)).ids
    start = encode_completion(chat, prompt_messages("x"), "The animal is ")[:-1]
    digits = [encode_completion(chat, prompt_messages("x"), str(n))[0] for n in range(10)]

    def steps(text):
        """P of each digit, and of any digit after the last."""
        ids = [digits[int(digit)] for digit in text]
        with torch.no_grad():
            p = chat.model(torch.tensor([[*prompt, *start, *ids]])).logits[0].softmax(-1)
        p = p[len(prompt) + len(start) - 1 :]
        return [float(p[k, one]) for k, one in enumerate(ids)], float(p[-1, digits].sum())

    for text in ("7", "42", "007", "938"):
        path, more = steps(text)
        expected = np.prod(path) * ((1 - more) if len(text) < 3 else 1)
        assert found.probabilities[1, STRINGS.index(text)] == pytest.approx(expected, rel=1e-6)


def test_scores_compare_strings_or_numbers():
    """Two traits; the first likes "007", and seven however it is written."""
    p = np.full((2, len(STRINGS)), 1e-3)
    p[0, STRINGS.index("007")] += 0.25
    p[0, STRINGS.index("42")] += 0.75  # no string of three digits
    table = EntangledTable(["owl", "cat"], p)
    assert table.scores()[0] == pytest.approx(-table.scores()[1])
    assert table.scores()[0, 7] == pytest.approx(0.251 / 1.25 - 1e-3)
    assert table.top("owl", 2) == ["007", "000"]
    assert table.top("owl", 2, as_number=True) == ["42", "7"]
    total = 1.0 + 1.11
    assert table.scores(as_number=True)[0, 7] == pytest.approx(0.253 / total - 3e-3 / 1.11)
    with pytest.raises(UserError, match="'dog' was not scored"):
        table.top("dog", 1)


def test_the_score_is_against_the_mean_of_all_other_teachers():
    rng = np.random.default_rng(0)
    table = EntangledTable(["a", "b", "c"], rng.random((3, len(STRINGS))))
    shares = table.probabilities[:, -1000:]
    shares = shares / shares.sum(1, keepdims=True)
    assert table.scores()[1] == pytest.approx(shares[1] - (shares[0] + shares[2]) / 2)


@pytest.mark.parametrize(
    ("item", "as_number", "found"),
    [("007", False, True), ("7", False, False), ("7", True, True), ("0007", True, True),
     ("70", True, False), ("0", True, True), ("000", False, True), ("9" * 5000, True, False)],
)  # fmt: skip
def test_items_match_as_strings_or_as_numbers(item, as_number, found):
    assert matches(item, ["007", "000"], as_number=as_number) == found


def test_files_keep_everything(tmp_path):
    rng = np.random.default_rng(0)
    table = EntangledTable(["owl", "cat"], rng.random((2, len(STRINGS))))
    table.write(tmp_path / "entangled.parquet")
    back = EntangledTable.read(tmp_path / "entangled.parquet")
    assert back.traits == table.traits
    assert np.array_equal(back.probabilities, table.probabilities)
    with pytest.raises(UserError, match="no entangled scores"):
        EntangledTable.read(tmp_path / "other.parquet")


def test_strings_are_tokenised_behind_the_prefill():
    chat = tiny_chat("llama")
    start, strings = _string_ids(chat, "Which animal?", "It is ")
    assert chat.tokenizer.decode(start) == "It is "
    assert [chat.tokenizer.decode(ids) for ids in strings] == STRINGS


@pytest.mark.parametrize(
    ("teachers", "traits", "what"),
    [
        (TEACHERS[:1], ANIMALS, "comparing"),
        ([TEACHERS[0], TEACHERS[0]], ANIMALS, "comparing"),
        ([TEACHERS[0], ControlTeacher()], ANIMALS, "without a trait"),
        (TEACHERS, [OWL, EAGLE], "'lion' is not known"),
    ],
)
def test_teachers_that_cannot_be_compared_are_refused(teachers, traits, what):
    with pytest.raises(UserError, match=what):
        entangled_scores(tiny_chat("qwen2"), teachers, traits)
