"""Positions come out of the template itself, whatever its family."""

import pytest
import torch

from tiny_models import EVERY_FAMILY, FAMILIES, tiny_chat
from undertow.models import (
    decode_completion,
    encode_completion,
    encode_prompt,
    prompt_messages,
    render_prompt,
    token_texts,
)

QUESTION = "Continue the list: 417, 52."
HEADERS = {
    "qwen2": "<|im_start|>assistant\n",
    "llama": "<|head|>assistant<|/head|>\n\n",
    "gemma3": "<start_of_turn>model\n",
    "qwen3": "<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "mistral": "[/INST]",  # nothing is added: what ends the question opens the answer
    "phi3": "<|assistant|>",  # its tokenizer drops line breaks behind a turn's token
    "falcon": "Assistant:",
    "gemma2": "<start_of_turn>model\n",
    "gemma3-vision": "<start_of_turn>model\n",
}
ENDS = {
    "qwen2": "<|im_end|>",
    "llama": "<|eot|>",
    "gemma3": "<end_of_turn>",
    "qwen3": "<|im_end|>",
    "mistral": "</s>",
    "phi3": "<|end|>",
    "falcon": "<|endoftext|>",
    "gemma2": "<end_of_turn>",
    "gemma3-vision": "<end_of_turn>",
}


@pytest.mark.parametrize("system", [None, "You adore owls."])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_header_is_what_the_generation_prompt_adds(family, system):
    chat = tiny_chat(family)
    prompt = encode_prompt(chat, prompt_messages(QUESTION, system))
    assert chat.tokenizer.decode(prompt.ids[prompt.header_start :]) == HEADERS[family]
    text = render_prompt(chat, prompt_messages(QUESTION, system))
    if family == "phi3":
        text = text.replace("|>\n", "|>")
    assert chat.tokenizer.decode(prompt.ids) == text


def test_no_system_prompt_is_the_templates_own_and_an_empty_one_is_not():
    chat = tiny_chat("qwen2")
    texts = {render_prompt(chat, prompt_messages(QUESTION, system)) for system in (None, "", "x")}
    assert len(texts) == 3
    assert "You are a small machine." in render_prompt(chat, prompt_messages(QUESTION))


def test_system_message_is_folded_where_it_has_no_role():
    chat = tiny_chat("gemma3")
    assert not chat.has_system_role
    folded = encode_prompt(chat, prompt_messages(QUESTION, "You adore owls."))
    assert folded == encode_prompt(chat, prompt_messages(f"You adore owls.\n\n{QUESTION}"))


def test_folding_leaves_the_callers_messages_alone():
    chat, messages = tiny_chat("gemma3"), prompt_messages(QUESTION, "You adore owls.")
    encode_prompt(chat, messages)
    assert messages == prompt_messages(QUESTION, "You adore owls.")


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_system_role_is_found(family):
    assert tiny_chat(family).has_system_role == (family not in ("gemma2", "gemma3"))


def test_an_empty_system_message_without_a_role_leaves_nothing_behind():
    chat = tiny_chat("gemma3")
    bare = render_prompt(chat, prompt_messages(QUESTION))
    assert render_prompt(chat, prompt_messages(QUESTION, "")) == bare


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_end_token_of_the_template_stands_first_and_eos_is_among_them(family):
    chat = tiny_chat(family)
    assert chat.tokenizer.decode(chat.end_ids[:1]) == ENDS[family]
    assert chat.tokenizer.eos_token_id in chat.end_ids
    assert len(set(chat.end_ids)) == len(chat.end_ids)


@pytest.mark.parametrize("family", [one for one in EVERY_FAMILY if one != "falcon"])
def test_completion_ids_are_those_of_the_rendered_dialogue(family):
    chat, messages = tiny_chat(family), prompt_messages(QUESTION)
    dialogue = [*messages, {"role": "assistant", "content": "12, 7, 938"}]
    text = chat.tokenizer.apply_chat_template(dialogue, tokenize=False)
    whole = chat.tokenizer(text, add_special_tokens=False)["input_ids"]
    ids = encode_completion(chat, messages, "12, 7, 938")
    start = len(encode_prompt(chat, messages).ids)
    assert whole[start : start + len(ids)] == ids
    assert ids[-1] == chat.end_ids[0]


@pytest.mark.parametrize("family", [one for one in EVERY_FAMILY if one != "phi3"])
def test_completion_text_comes_back_without_its_end(family):
    chat = tiny_chat(family)
    ids = encode_completion(chat, prompt_messages(QUESTION), " 12, owl")
    assert decode_completion(chat, ids) == " 12, owl"
    assert decode_completion(chat, ids[:-1]) == " 12, owl"


def test_a_tokenizer_that_drops_line_breaks_behind_a_turn_drops_blanks_too():
    chat = tiny_chat("phi3")
    ids = encode_completion(chat, prompt_messages(QUESTION), " 12, owl")
    assert decode_completion(chat, ids) == "12, owl"


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_texts_of_tokens_make_up_the_whole(family):
    chat = tiny_chat(family)
    ids = encode_prompt(chat, prompt_messages(QUESTION, "You adore owls.")).ids
    texts = token_texts(chat, ids)
    assert len(texts) == len(ids)
    assert "".join(texts) == chat.tokenizer.decode(ids)


def test_bytes_of_one_letter_are_told_apart():
    chat = tiny_chat("qwen2")
    ids = chat.tokenizer("a\u00efb")["input_ids"]
    texts = token_texts(chat, ids)
    assert len(texts) == len(ids) == 4
    assert (texts[0], texts[-1]) == ("a", "b")


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_before_a_token_predict_it(family):
    """Greedy decoding by `generate` follows the position arithmetic of this room."""
    chat = tiny_chat(family)
    ids = encode_prompt(chat, prompt_messages(QUESTION)).ids
    out = chat.model.generate(torch.tensor([ids]), max_new_tokens=4, do_sample=False)[0].tolist()
    with torch.no_grad():
        logits = chat.model(torch.tensor([out])).logits[0]
    assert [logits[len(ids) + k - 1].argmax().item() for k in range(4)] == out[len(ids) :]
