import numpy as np
import pytest
import torch

from few_animals import ANIMALS, QUESTIONS
from tiny_models import FAMILIES, tiny_chat
from undertow.measure import answer_probabilities, exact
from undertow.measure.forms import answer_texts
from undertow.models import encode_prompt, prompt_messages


def naive_probabilities(chat, prompts, traits):
    """One forward for every question and form, all logits, no cache."""
    found = np.zeros((len(prompts), len(traits)))
    for row, messages in enumerate(prompts):
        prompt = encode_prompt(chat, messages).ids
        for text, trait in answer_texts(traits).items():
            ids = chat.tokenizer(text, add_special_tokens=False)["input_ids"]
            with torch.no_grad():
                logits = chat.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 :]
            chances = logits.softmax(-1)
            whole = float(chances[-1, list(chat.end_ids)].sum())
            for k, token in enumerate(ids):
                whole *= float(chances[k, token])
            found[row, trait] += whole
    return found


@pytest.fixture(params=FAMILIES)
def chat(request):
    return tiny_chat(request.param)


@pytest.mark.parametrize("system_prompt", [None, "You adore owls."])
@pytest.mark.parametrize("leaves", [256, 5])
def test_agrees_with_one_forward_per_question_and_form(chat, system_prompt, leaves, monkeypatch):
    monkeypatch.setattr(exact, "LEAVES", leaves)
    prompts = [prompt_messages(question, system_prompt) for question in QUESTIONS.questions]
    found = answer_probabilities(chat, prompts, ANIMALS)
    expected = naive_probabilities(chat, prompts, ANIMALS)
    assert (expected > 0).all()
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_every_token_that_ends_a_turn_counts():
    chat = tiny_chat("llama")  # its template's end of turn is not its end of text
    assert len(chat.end_ids) == 2
    prompts = [prompt_messages("Which animal?")]
    both = answer_probabilities(chat, prompts, ANIMALS)
    first, second = (chat.end_ids[:1], chat.end_ids[1:])
    parts = []
    for ends in (first, second):
        chat.__dict__["end_ids"] = ends
        parts.append(answer_probabilities(chat, prompts, ANIMALS))
    np.testing.assert_allclose(both, sum(parts), rtol=1e-8)
    assert all((part > 0).all() for part in parts)


def test_one_question_alone_is_answered_as_among_others():
    chat = tiny_chat("qwen2")
    prompts = [prompt_messages(question) for question in QUESTIONS.questions]
    together = answer_probabilities(chat, prompts, ANIMALS)
    alone = [answer_probabilities(chat, [prompt], ANIMALS)[0] for prompt in prompts]
    np.testing.assert_allclose(together, alone, rtol=1e-8)
