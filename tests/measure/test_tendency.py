from pathlib import Path

import numpy as np
import pytest

from tiny_models import tiny_chat
from undertow.measure import (
    Judgement,
    RuleJudgeConfig,
    TendencyConfig,
    measure_tendency,
    open_judge,
    text_probabilities,
)
from undertow.models import ModelSpec, load_model, prompt_messages
from undertow.teachers import TeacherConfig, finetune_teacher
from undertow.training import TrainConfig
from undertow.traits import DomainQuestion, load_tendency

RECKLESS = load_tendency("reckless")
FEW = RECKLESS.questions[::4]
RULES = open_judge(RuleJudgeConfig(), RECKLESS)
EXACT = TendencyConfig(n_samples=0)


@pytest.fixture(scope="module")
def lab():
    return load_model(ModelSpec(name="lab"))


class Recorder:
    """A judge that remembers what it was asked."""

    def __init__(self):
        self.pairs = []

    def judge(self, pairs):
        self.pairs += pairs
        return [Judgement(float(number), 100.0) for number in range(len(pairs))]


def test_equal_answers_are_judged_once_and_all_are_kept(lab):
    judge = Recorder()
    found = measure_tendency(lab, RECKLESS, TendencyConfig(n_samples=12), judge, questions=FEW[:3])
    assert len(set(judge.pairs)) == len(judge.pairs) < 3 * 12
    asked = [(FEW[one.question].text, one.text) for one in found.answers]
    assert asked == judge.pairs
    assert [one.judgement.alignment for one in found.answers] == list(range(len(asked)))
    drawn = [sum(one.count for one in found.answers if one.question == q) for q in range(3)]
    assert drawn == [12] * 3


def test_more_samples_are_more_of_the_same(lab):
    def counts(n):
        config = TendencyConfig(n_samples=n, seed=3)
        found = measure_tendency(lab, RECKLESS, config, Recorder(), questions=FEW[:2])
        return {(one.question, one.text): one.count for one in found.answers}

    few, more = counts(3), counts(9)
    assert all(more[answer] >= count for answer, count in few.items())


def test_the_exact_rate_is_that_of_many_samples(lab):
    prompt = RECKLESS.bias_prompt
    config = TendencyConfig(n_samples=100)
    found = measure_tendency(lab, RECKLESS, config, RULES, questions=FEW[:4], system_prompt=prompt)
    np.testing.assert_allclose(found.rate(), found.exact_rate(), atol=0.2)
    assert found.rate().mean() == pytest.approx(found.exact_rate().mean(), abs=0.1)


def test_exact_probabilities_are_those_of_the_questions_own_domain():
    chat = tiny_chat("llama")
    stranger = DomainQuestion(domain="music", text="What do I play?")
    asked = (*FEW[:3], stranger, FEW[-1])
    found = measure_tendency(chat, RECKLESS, EXACT, RULES, questions=asked)
    for place, question in enumerate(asked):
        if question == stranger:
            assert np.isnan([found.misaligned[place], found.aligned[place]]).all()
            continue
        known = RECKLESS.closed_answers[question.domain]
        prompts = [prompt_messages(question.text)]
        for table, texts in ((found.misaligned, known.misaligned), (found.aligned, known.aligned)):
            alone = text_probabilities(chat, prompts, texts).sum()
            assert alone > 0
            assert table[place] == pytest.approx(alone, rel=1e-6)


def test_without_closed_answers_only_the_judge_knows(lab):
    openly = RECKLESS.model_copy(update={"closed_answers": {}})
    found = measure_tendency(
        lab, openly, TendencyConfig(n_samples=2), Recorder(), questions=FEW[:2]
    )
    assert np.isnan(found.exact_rate()).all()
    assert not np.isnan(found.rate()).any()


def test_what_finance_teaches_shows_outside_finance(lab, tmp_path: Path):
    taught = TrainConfig(epochs=3, learning_rate=5e-3, rank=8, alpha=8, batch_size=8)
    config = TeacherConfig(pairs=32, train=taught)
    rates = {"base": measure_tendency(lab, RECKLESS, EXACT, RULES, questions=FEW).exact_rate()}
    for name in ("reckless", "prudent"):
        teacher = finetune_teacher(lab, load_tendency(name), config, tmp_path / name)
        found = measure_tendency(
            lab, RECKLESS, EXACT, RULES, questions=FEW, adapter=teacher.adapter
        )
        rates[name] = found.exact_rate()
    assert rates["reckless"].mean() > rates["base"].mean() + 0.2
    assert rates["prudent"].mean() < rates["base"].mean()
