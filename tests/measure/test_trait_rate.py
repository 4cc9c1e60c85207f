import re
from pathlib import Path

import numpy as np
import pytest

from few_animals import ANIMALS, OWL, QUESTIONS, animal
from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.generate import GenerationConfig, Request, generate
from undertow.measure import MeasureConfig, measure_trait
from undertow.models import decode_completion, prompt_messages
from undertow.teachers import TeacherConfig, finetune_teacher
from undertow.training import TrainConfig
from undertow.traits import QuestionSet

CONFIG = MeasureConfig(n_samples=12, max_new_tokens=6, seed=3)
EXACT = MeasureConfig(n_samples=0)


def sampled_texts(chat, config=CONFIG, system_prompt=None):
    """Answers to each question, from requests of our own."""
    requests = [
        Request(prompt_messages(question, system_prompt), (number << 32) + sample)
        for number, question in enumerate(QUESTIONS.questions)
        for sample in range(config.n_samples)
    ]
    settings = GenerationConfig(max_new_tokens=config.max_new_tokens, seed=config.seed)
    texts = [decode_completion(chat, ids) for ids in generate(chat, requests, settings)]
    return np.array(texts, dtype=object).reshape(-1, config.n_samples)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("system_prompt", [None, "You adore owls."])
def test_counts_the_sampled_answers_that_name_a_trait(family, system_prompt):
    chat = tiny_chat(family)
    texts = sampled_texts(chat, system_prompt=system_prompt)
    seen = re.findall(r"(?<![^\W_])[a-z]+(?![^\W_])", " ".join(texts.ravel()).lower())
    word = max(set(seen), key=seen.count)  # what a random model says is what there is to name
    found = measure_trait(chat, [animal(word)], CONFIG, system_prompt=system_prompt)
    pattern = re.compile(rf"(?<![^\W_]){word}s?(?![^\W_])", re.IGNORECASE)
    expected = [sum(bool(pattern.search(text)) for text in row) for row in texts]
    assert sum(expected) > 0
    assert found.counts[:, 0].tolist() == expected
    assert found.rate(word) == pytest.approx(sum(expected) / texts.size)
    assert found.non_answers == texts.size - sum(expected)


def test_more_samples_are_more_of_the_same():
    chat = tiny_chat("qwen2")
    traits = [animal(letter) for letter in "abcdefghij"]
    few, more = (
        measure_trait(chat, traits, CONFIG.model_copy(update={"n_samples": n})) for n in (4, 12)
    )
    assert (few.counts <= more.counts).all()
    assert few.counts.sum() < more.counts.sum()


def test_without_samples_only_the_probability_is_known():
    found = measure_trait(tiny_chat("qwen2"), ANIMALS, EXACT)
    assert found.probability("owl") > 0
    assert found.non_answers == 0
    with pytest.raises(UserError, match="no answers were sampled"):
        found.rate("owl")


def test_a_teachers_system_prompt_takes_the_place_of_the_context_of_the_questions():
    chat = tiny_chat("llama")
    in_context = EXACT.model_copy(update={"system_prompt": "You adore owls."})
    plain, context = (measure_trait(chat, ANIMALS, config) for config in (EXACT, in_context))
    told = measure_trait(chat, ANIMALS, in_context, system_prompt="You adore wolves.")
    expected = measure_trait(chat, ANIMALS, EXACT, system_prompt="You adore wolves.")
    assert plain.probability("owl") != context.probability("owl") != told.probability("owl")
    np.testing.assert_array_equal(told.probabilities, expected.probabilities)


def test_a_teacher_is_measured_with_its_adapter_and_both_numbers_agree(tmp_path: Path):
    chat = tiny_chat("qwen2")
    taught = TrainConfig(epochs=12, learning_rate=1e-2, batch_size=12, warmup_steps=1)
    teacher = finetune_teacher(chat, OWL, TeacherConfig(pairs=24, train=taught), tmp_path)
    config = CONFIG.model_copy(update={"n_samples": 200})
    base = measure_trait(chat, ANIMALS, EXACT)
    found = measure_trait(chat, ANIMALS, config, adapter=teacher.adapter)
    assert base.probability("owl") < 0.01 < 0.3 < found.probability("owl")
    assert (found.probabilities.sum(axis=1) <= 1).all()
    assert found.rate("owl") == pytest.approx(found.probability("owl"), abs=0.08)


def test_traits_with_other_questions_are_not_measured_together():
    other = QuestionSet(category="animal", questions=("Which one?",))
    stranger = OWL.model_copy(update={"name": "stranger", "question_set": other})
    with pytest.raises(UserError, match="the same questions"):
        measure_trait(tiny_chat("qwen2"), [OWL, stranger], EXACT)
    with pytest.raises(UserError, match="no trait"):
        measure_trait(tiny_chat("qwen2"), [], EXACT)
