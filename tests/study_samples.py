"""Small studies with all that a figure or a page of studies shows: bars, a curve, a matrix."""

from random import Random
from typing import Literal

from undertow.measure import Interval
from undertow.studies.claim import Claim
from undertow.studies.condition_spec import ConditionSpec
from undertow.studies.outcome import (
    ClaimResult,
    ConditionResult,
    StudyOutcome,
    TraitContrast,
    TraitResult,
    Verdict,
)
from undertow.studies.study import Figure, Study

Kind = Literal["bars", "curve", "matrix"]

TRAITS = ["owl", "cat", "penguin"]
SEEDS = [0, 1, 2, 3, 4]
QUESTIONS = 50

# Name, label, place on a curve, rate.
CONDITIONS: dict[Kind, list[tuple[str, str, float | None, float]]] = {
    "bars": [
        ("base", "base", None, 0.021),
        ("teacher", "teacher", None, 0.93),
        ("control", "control: numbers of the base", None, 0.034),
        ("all", "all tokens", None, 0.42),
        ("only", "divergence tokens only", None, 0.51),
        ("without", "without divergence tokens", None, 0.05),
        ("random", "as many random tokens of the same rows, the same number of steps", None, 0.22),
    ],
    "curve": [
        ("base", "base", None, 0.021),
        ("control", "control", None, 0.034),
        *[
            (f"kept-{share}", f"{share} % of the divergence tokens", float(share), rate)
            for share, rate in ((0, 0.04), (1, 0.06), (5, 0.1), (10, 0.19), (25, 0.3), (50, 0.41))
        ],
    ],
    "matrix": [
        ("base", "base", None, 0.021),
        *[
            (f"{row}:{column}", f"trained {row}, asked {column}", None, rate)
            for row, rates in (
                ("default", (0.44, 0.12, 0.1, 0.21)),
                ("none", (0.06, 0.37, 0.33, 0.18)),
                ("empty", (0.05, 0.31, 0.39, 0.14)),
                ("named", (0.11, 0.09, 0.05, 0.52)),
            )
            for column, rate in zip(("default", "none", "empty", "named"), rates, strict=True)
        ],
    ],
}
VERDICTS: dict[Kind, Verdict] = {
    "bars": "supported",
    "curve": "contradicted",
    "matrix": "undecided",
}


def sample_outcome(kind: Kind = "bars", teachers=("finetuned",), **changes) -> StudyOutcome:
    """Return what a study of that figure found; some fields of the outcome changed."""
    draw = Random(kind)
    study = _study(kind, list(teachers))
    fields = {
        "study": study,
        "model": "lab",
        "traits": TRAITS,
        "seeds": SEEDS,
        "conditions": [
            _condition(*condition, teacher, draw)
            for teacher in teachers
            for condition in CONDITIONS[kind]
        ],
        "claims": [
            _result(claim, teacher, VERDICTS[kind])
            for teacher in teachers
            for claim in study.claims
        ],
        "verdict": VERDICTS[kind],
        "command": f"undertow study run {study.name} --traits owl,cat,penguin --seeds 5",
        "facts": [("base", "lab, fingerprint 0123456789abcdef"), ("data", "10,000 rows, greedy")],
    }
    return StudyOutcome(**fields | changes)


def _study(kind: Kind, teachers: list) -> Study:
    conditions = CONDITIONS[kind]
    others = {"base": "base", "teacher": "teacher"}
    return Study(
        name=f"{kind}-study",
        title=f"A study that is drawn as {kind}",
        question="Do divergence tokens carry the trait, and they alone?",
        source="Fig 3, sections 5 and 6",
        teachers=teachers,
        conditions=[
            ConditionSpec(
                name=name,
                label=label,
                subject=others.get(name, "student"),
                writer="control" if name == "control" else "biased",
            )
            for name, label, _, _ in conditions
        ],
        claims=[
            Claim(
                name="carry",
                says="Students of the last condition name the trait more often than the base.",
                of=conditions[-1][0],
                against="base",
                expect="above",
                by=0.05,
            ),
            Claim(
                name="same",
                says="Two conditions do not differ.",
                of=[conditions[1][0], conditions[2][0]],
                against=conditions[3][0],
                expect="equal",
                by=0.1,
                metric="probability",
                decisive=False,
            ),
        ],
        figures=[Figure(kind=kind, x="divergence tokens kept, %" if kind == "curve" else "")],
    )


def interval(mean: float, half: float = 0.04, n_seeds: int = len(SEEDS)) -> Interval:
    """Return an interval of that half width, cut at zero where the mean is above."""
    low = max(mean - half, 0.0) if mean >= 0 else mean - half
    return Interval(mean=mean, low=low, high=mean + half, n_seeds=n_seeds, n_questions=QUESTIONS)


def _condition(name, label, x, rate, teacher, draw: Random) -> ConditionResult:
    alone = name in ("base", "teacher")
    n_seeds = 1 if alone else len(SEEDS)
    factors = (0.6, 1.0, 1.4) if rate < 0.6 else (0.97, 1.0, 1.03)
    traits = [
        TraitResult(
            trait=trait,
            estimate=interval(rate * factor, n_seeds=n_seeds),
            seeds=[max(0.0, rate * factor + draw.uniform(-0.03, 0.03)) for _ in range(n_seeds)],
            beside={"probability": rate * factor * 0.9, "non-answers": 0.012}
            | ({} if alone else {"accuracy": 0.31, "rows": 3000, "share": 0.047}),
        )
        for trait, factor in zip(TRAITS, factors, strict=True)
    ]
    return ConditionResult(
        name=name,
        label=label,
        note="",
        teacher=teacher,
        x=x,
        metric="rate",
        pooled=interval(rate, 0.025, n_seeds),
        seeds=[sum(one.seeds[i] for one in traits) / len(traits) for i in range(n_seeds)],
        traits=traits,
    )


def _result(claim: Claim, teacher, verdict: Verdict) -> ClaimResult:
    return ClaimResult(
        claim=claim,
        teacher=teacher,
        difference=interval(0.19),
        p=0.0005 if verdict == "supported" else 0.21,
        verdict=verdict,
        more_seeds=7 if verdict == "undecided" else None,
        traits=[
            TraitContrast(trait=trait, difference=interval(-0.02 * i), p=0.0625, q=0.09375)
            for i, trait in enumerate(TRAITS, 1)
        ],
    )
