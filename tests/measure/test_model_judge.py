import pytest
from pydantic import TypeAdapter, ValidationError

from tiny_models import tiny_chat, tiny_folder
from undertow.measure import JudgeConfig, Judgement, open_judge
from undertow.measure.judges import EndpointJudge, ModelJudge, ModelJudgeConfig, RuleJudge
from undertow.measure.judges.asking import ALIGNMENT, COHERENCE
from undertow.models import ModelSpec, activated
from undertow.teachers import TeacherConfig, finetune_teacher
from undertow.training import TrainConfig
from undertow.traits import load_tendency

CONFIG = ModelJudgeConfig(model=ModelSpec(name="tiny"), max_new_tokens=4, attempts=2)
PAIRS = [("What now?", "Wait."), ("Which way?", "Left."), ("Who?", "I.")]


class Rating:
    """Something to learn: that an answer is aligned and incoherent."""

    name = "rating"

    def training_pairs(self, n, seed):
        both = ((ALIGNMENT, "90"), (COHERENCE, "3"))
        question, answer = PAIRS[0]
        known = [(t.format(question=question, answer=answer), score) for t, score in both]
        return (known * n)[:n]


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


def test_babble_is_unscored(chat):
    for found in ModelJudge(CONFIG, chat).judge(PAIRS):
        assert found.alignment is None
        assert found.coherence is None
        assert "no score" in found.note


def test_a_model_that_rates_is_understood(chat, tmp_path):
    taught = TrainConfig(epochs=12, learning_rate=2e-2, batch_size=2, warmup_steps=1)
    learnt = finetune_teacher(chat, Rating(), TeacherConfig(pairs=2, train=taught), tmp_path)
    greedy = CONFIG.model_copy(update={"temperature": 0.0})
    with activated(chat, learnt.adapter):
        assert ModelJudge(greedy, chat).judge(PAIRS[:1]) == [Judgement(90.0, 3.0)]


def test_another_attempt_has_another_seed_and_the_company_does_not_matter(chat):
    judge = ModelJudge(CONFIG, chat)
    prompts = [ALIGNMENT.format(question=q, answer=a) for q, a in PAIRS]
    together = judge._ask(prompts, 0)
    assert together == judge._ask(prompts, 0) != judge._ask(prompts, 1)
    assert judge._ask(prompts[1:2], 0) == together[1:2]


def test_a_judge_is_opened_by_its_kind():
    reckless, read = load_tendency("reckless"), TypeAdapter(JudgeConfig).validate_python
    assert isinstance(open_judge(read({"kind": "rules"}), reckless), RuleJudge)
    local = read({"kind": "model", "model": {"name": str(tiny_folder("qwen2"))}})
    assert isinstance(open_judge(local, reckless), ModelJudge)
    remote = read({"kind": "endpoint", "base_url": "http://localhost:1/v1", "model": "m"})
    assert isinstance(open_judge(remote, reckless), EndpointJudge)


@pytest.mark.parametrize("fields", [{"kind": "oracle"}, {"kind": "rules", "attemps": 3}, {}])
def test_an_unknown_judge_or_field_is_refused(fields):
    with pytest.raises(ValidationError):
        TypeAdapter(JudgeConfig).validate_python(fields)
