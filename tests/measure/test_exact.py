import numpy as np
import pytest

from few_animals import ANIMALS, QUESTIONS
from naive_answers import naive_probabilities
from tiny_models import FAMILIES, tiny_chat
from undertow.generate import prefix_tree
from undertow.measure import answer_probabilities
from undertow.models import prompt_messages


@pytest.fixture(params=FAMILIES)
def chat(request):
    return tiny_chat(request.param)


@pytest.mark.parametrize("system_prompt", [None, "You adore owls."])
@pytest.mark.parametrize("leaves", [256, 5])
def test_agrees_with_one_forward_per_question_and_form(chat, system_prompt, leaves, monkeypatch):
    monkeypatch.setattr(prefix_tree, "LEAVES", leaves)
    prompts = [prompt_messages(question, system_prompt) for question in QUESTIONS.questions]
    found = answer_probabilities(chat, prompts, ANIMALS)
    expected = naive_probabilities(chat, chat.model, prompts, ANIMALS)
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
