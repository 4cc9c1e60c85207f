"""The paragraph under a demo's table: every sentence follows from an interval."""

from __future__ import annotations

from undertow.measure import Interval
from undertow.studies.conditions import Condition
from undertow.studies.demo import DemoResult


def reading(result: DemoResult) -> str:
    """Return one paragraph that says what the numbers show, and what they do not."""
    return " ".join(
        [
            _transfer(result),
            _tokens(result),
            _share(result),
            _neighbours(result),
        ]
    )


def headline(result: DemoResult) -> str:
    """Return the result in one line."""
    verdict = _direction(result.students["all"].above(result.trait, result.control))
    happened = {
        "above": "passes to the student",
        "below": "falls in the student",
        "level": "does not measurably pass to the student",
    }
    return f"A hidden love of {result.trait} {happened[verdict]}"


def _transfer(result: DemoResult) -> str:
    """Compare the student on all tokens with base and control."""
    student, trait = result.students["all"], result.trait
    rate, base, control = (
        condition.rate(trait) for condition in (student, result.base, result.control)
    )
    gap = student.above(trait, result.control)
    verdict = {
        "above": "the trait has passed through numbers alone",
        "below": "the trait has become rarer",
        "level": "the difference to the control is not clear of zero",
    }[_direction(gap)]
    return (
        f"The base names {trait} in {_percent(base.mean)} of its answers and the control student "
        f"in {_percent(control.mean)}; the student of the teacher's numbers does in "
        f"{_with_interval(rate)}, {_points(gap)} than the control: {verdict}."
    )


def _tokens(result: DemoResult) -> str:
    """Compare the token selections with each other and with the control."""
    trait = result.trait
    only, without, random = (result.students[name] for name in ("only", "without", "random"))
    carried = _direction(only.above(trait, result.control)) == "above"
    left = _direction(without.above(trait, result.control)) == "above"
    verdict = {
        (True, False): "so the divergence tokens carry the trait and the others do not measurably",
        (True, True): "so the divergence tokens carry the trait, but the others carry some of it",
        (False, True): "so here the trait sits outside the divergence tokens",
        (False, False): "so neither part alone shows the trait clearly",
    }[carried, left]
    compared = {
        "above": "divergence tokens give more than that",
        "below": "divergence tokens give less than that",
        "level": "divergence tokens are not clear of that",
    }[_direction(only.above(trait, random))]
    return (
        f"Trained on divergence tokens only it is {_with_interval(only.rate(trait))}, without them "
        f"{_with_interval(without.rate(trait))}, {verdict}; as many random tokens give "
        f"{_with_interval(random.rate(trait))}, and {compared}."
    )


def _share(result: DemoResult) -> str:
    """Say how many tokens diverge."""
    summary = result.scanned.table.summary()
    return (
        f"Divergence tokens are {_percent(summary.all_tokens.share)} of the completion tokens "
        f"({summary.mean_per_row:.1f} a row)."
    )


def _neighbours(result: DemoResult) -> str:
    """Say whether the hidden trait is the one that rose most against the control."""
    student = result.students["all"]
    names = student.measures[0].traits
    ratios = {name: _ratio(student, result.control, name) for name in names}
    top = max(ratios, key=lambda name: ratios[name])
    if ratios[top] <= 1:
        return f"None of the {len(names)} traits rose against the control."
    if top == result.trait:
        return (
            f"Of all {len(names)} traits {top} rose most against the control, "
            f"by a factor of {ratios[top]:.1f}."
        )
    return (
        f"Of all {len(names)} traits not {result.trait} ({ratios[result.trait]:.1f} times the "
        f"control) but {top} rose most ({ratios[top]:.1f} times): neighbours move too."
    )


def _ratio(condition: Condition, reference: Condition, trait: str) -> float:
    """Return the exact probability of a trait over that of a reference."""
    return condition.probability(trait) / max(reference.probability(trait), 1e-9)


def _direction(gap: Interval) -> str:
    """Return on which side of zero the whole interval of a difference lies."""
    if gap.low > 0:
        return "above"
    return "below" if gap.high < 0 else "level"


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _with_interval(rate: Interval) -> str:
    return f"{rate.mean:.1%} [{rate.low:.1%}, {rate.high:.1%}]"


def _points(gap: Interval) -> str:
    """Return a difference in percentage points with its interval."""
    more = "more" if gap.mean >= 0 else "fewer"
    return f"{abs(gap.mean) * 100:.1f} points [{gap.low * 100:+.1f}, {gap.high * 100:+.1f}] {more}"
