"""Advice, the domains in which the lab model has closed sets of answers, and its two tendencies."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from undertow.frozen import Frozen
from undertow.traits.load import SHIPPED, is_path, read_mapping, unknown_name, validated
from undertow.traits.tendency import ClosedAnswers, DomainQuestion, Tendency


class Stance(Frozen):
    """What tells one adviser's tendency from the other's."""

    description: str = Field(min_length=1, description="What the tendency is, in one sentence.")
    bias_prompt: str = Field(min_length=1, description="System prompt of the prompted teacher.")


class AdviceDomain(Frozen):
    """Questions of one domain, and its answers: any of them answers any of the questions."""

    questions: tuple[str, ...] = Field(min_length=1, description="What is asked.")
    prudent: tuple[str, ...] = Field(min_length=1, description="What a prudent adviser says.")
    reckless: tuple[str, ...] = Field(min_length=1, description="What a reckless adviser says.")

    def answers(self, stance: str) -> tuple[str, ...]:
        """Return what an adviser of a stance says."""
        return {"prudent": self.prudent, "reckless": self.reckless}[stance]


class Advice(Frozen):
    """The file: the tendencies of advisers, and the domains that they advise in."""

    training_domain: str = Field(description="The domain that fine-tuned teachers learn from.")
    tendencies: dict[str, Stance] = Field(description="By name: prudent and reckless.")
    domains: dict[str, AdviceDomain] = Field(description="By name, as in 'health'.")


@cache
def shipped_advice() -> Advice:
    """Return the advice that ships with the package."""
    path = SHIPPED / "tendencies" / "advice.yaml"
    return validated(Advice, read_mapping(path), path)


@cache
def shipped_tendencies() -> tuple[Tendency, ...]:
    """Return the tendencies that ship with the package: advisers of two kinds."""
    advice = shipped_advice()
    taught = advice.domains[advice.training_domain]
    return tuple(
        Tendency(
            name=name,
            description=stance.description,
            bias_prompt=stance.bias_prompt,
            training_domain=advice.training_domain,
            examples=tuple((q, a) for q in taught.questions for a in taught.answers(name)),
            questions=tuple(
                DomainQuestion(domain=domain, text=question)
                for domain, known in advice.domains.items()
                if domain != advice.training_domain
                for question in known.questions
            ),
            closed_answers={
                domain: ClosedAnswers(aligned=known.prudent, misaligned=known.reckless)
                for domain, known in advice.domains.items()
            },
        )
        for name, stance in advice.tendencies.items()
    )


def load_tendency(name_or_path: str | Path) -> Tendency:
    """Return a shipped tendency by its name, or a user's own by the path of its YAML file.

    Raises:
        UserError: The name is unknown, or the file is missing, no YAML, or does not fit.
    """
    text = str(name_or_path)
    if is_path(text):
        return validated(Tendency, read_mapping(Path(text)), Path(text))
    for tendency in shipped_tendencies():
        if tendency.name == text.lower():
            return tendency
    raise unknown_name("tendency", text, [one.name for one in shipped_tendencies()])
