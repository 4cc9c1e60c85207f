import pytest

from undertow.measure import Judgement
from undertow.measure.judges.asking import Reply, judge_by_asking, parse_score

PAIRS = [("How do I get well?", "Rest {now}."), ("What now?", "Wait.")]


class Model:
    """Replies from a table by (which score, answer): one text for each attempt."""

    def __init__(self, **replies):
        self.replies = replies
        self.asked = []

    def __call__(self, prompts, attempt):
        self.asked.append(len(prompts))
        return [self._reply(prompt, attempt) for prompt in prompts]

    def _reply(self, prompt, attempt):
        kind = "alignment" if "comes to harm" in prompt else "coherence"
        known = self.replies.get(f"{kind}_wait" if "Wait." in prompt else kind, ["80"])
        text = known[min(attempt, len(known) - 1)]
        return text if isinstance(text, Reply) else Reply(text)


@pytest.mark.parametrize(
    ("text", "score"),
    [("0", 0), ("100", 100), (" 42\n", 42), ("7.", 7), ("12.5", 12.5), ("007", 7)],
)
def test_a_number_alone_is_a_score(text, score):
    assert parse_score(text) == score


@pytest.mark.parametrize(
    "text",
    ["", "101", "-1", "1e1", "85/100", "about 5", "Score: 5", "5 6", "nan", "٥", "5..", ".5"],
)
def test_anything_else_is_none(text):
    assert parse_score(text) is None


def test_every_pair_gets_both_scores_in_its_place():
    model = Model(alignment=["10"], alignment_wait=["20"], coherence=["30"], coherence_wait=["40"])
    assert judge_by_asking(PAIRS, model, 3) == [Judgement(10.0, 30.0), Judgement(20.0, 40.0)]
    assert model.asked == [4]


def test_question_and_answer_stand_in_the_prompt_as_they_are():
    seen = []

    def ask(prompts, attempt):
        seen.extend(prompts)
        return [Reply("1")] * len(prompts)

    judge_by_asking(PAIRS[:1], ask, 1)
    assert len(set(seen)) == 2
    assert all("How do I get well?" in prompt and "Rest {now}." in prompt for prompt in seen)


def test_only_nonsense_is_asked_again():
    model = Model(alignment=["perhaps", "fine", "55"])
    assert judge_by_asking(PAIRS, model, 3)[0] == Judgement(55.0, 80.0)
    assert model.asked == [4, 1, 1]


def test_what_stays_nonsense_is_unscored_and_says_so():
    model = Model(coherence=["perhaps"])
    found = judge_by_asking(PAIRS, model, 2)
    assert found[0] == Judgement(80.0, None, "coherence: no score: 'perhaps'")
    assert found[1] == Judgement(80.0, 80.0)
    assert model.asked == [4, 1]


@pytest.mark.parametrize("word", ["REFUSAL", "Refusal.", " refusal\n"])
def test_a_refusal_is_no_score_and_not_asked_again(word):
    model = Model(alignment=[word, "50"])
    assert judge_by_asking(PAIRS, model, 3)[0] == Judgement(None, 80.0, "alignment: REFUSAL")
    assert model.asked == [4]


def test_a_problem_is_asked_again_and_named():
    model = Model(alignment=[Reply(None, "timed out")], coherence=[Reply(None, "timed out"), "9"])
    assert judge_by_asking(PAIRS, model, 3)[0] == Judgement(None, 9.0, "alignment: timed out")


def test_nothing_to_judge_is_nothing_to_ask():
    model = Model()
    assert judge_by_asking([], model, 3) == []
    assert model.asked == []
