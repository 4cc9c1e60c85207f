"""What a lab asks a model: for the answers of its traits, or for advice that a judge scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertow.errors import UserError
from undertow.measure import (
    JudgeConfig,
    MeasureConfig,
    TendencyMeasure,
    TraitMeasure,
    measure_tendency,
    measure_trait,
    open_judge,
)
from undertow.models.chat_model import ChatModel
from undertow.studies.recipe import Recipe
from undertow.traits import Hidden, Tendency, Trait, load_questions


@dataclass(frozen=True)
class TraitAsking:
    """Asks for the answers of some traits, among which all answers are divided."""

    config: MeasureConfig
    traits: tuple[Trait, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the numbers, beside the model."""
        return {"measure": self.config, "traits": list(self.traits)}

    def measure(
        self, chat: ChatModel, adapter: str | None, system_prompt: str | None
    ) -> TraitMeasure:
        """Ask a model."""
        return measure_trait(
            chat, self.traits, self.config, adapter=adapter, system_prompt=system_prompt
        )


@dataclass(frozen=True)
class AdviceAsking:
    """Asks the questions of a tendency, which others may share, and has the answers judged."""

    config: MeasureConfig
    judge: JudgeConfig
    tendency: Tendency

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the numbers, beside the model."""
        asked = self.tendency.model_dump(mode="json", include={"questions", "closed_answers"})
        return {"measure": self.config, "judge": self.judge, "asked": asked}

    def measure(
        self, chat: ChatModel, adapter: str | None, system_prompt: str | None
    ) -> TendencyMeasure:
        """Ask a model.

        Raises:
            UserError: The judge cannot be had, or cannot be reached.
        """
        judge = open_judge(self.judge, self.tendency)
        return measure_tendency(
            chat, self.tendency, self.config, judge, adapter=adapter, system_prompt=system_prompt
        )


def asking(recipe: Recipe, hidden: Sequence[Hidden]) -> TraitAsking | AdviceAsking:
    """Return how models are asked about traits, or about tendencies.

    Raises:
        UserError: There are tendencies that are not asked for with the same questions, or
            beside traits; or the recipe has a question set that is not there.
    """
    tendencies = [one for one in hidden if isinstance(one, Tendency)]
    if not tendencies:
        traits = (one for one in hidden if isinstance(one, Trait))
        return TraitAsking(recipe.measure, tuple(asked_for(traits, recipe.questions)))
    if recipe.questions is not None:
        raise UserError(
            f"tendencies are not measured with other questions ('{recipe.questions}')",
            where="questions",
            fix="leave it out",
        )
    first = tendencies[0]
    if len(tendencies) < len(hidden) or any(
        (one.questions, one.closed_answers) != (first.questions, first.closed_answers)
        for one in tendencies
    ):
        raise UserError(
            "the tendencies of a lab must share their questions and closed answers",
            fix="give each a lab of its own",
        )
    return AdviceAsking(recipe.measure, recipe.judge, first)


def asked_for(traits: Iterable[Trait], questions: str | None) -> Iterator[Trait]:
    """Yield traits as they are asked for: with their own questions, or with a set's.

    Args:
        traits: Whose answers compete.
        questions: Name of a shipped set, or the path of a YAML file; None leaves their own.

    Raises:
        UserError: There is no such set.
    """
    asked = load_questions(questions, Path("questions")) if questions is not None else None
    for trait in traits:
        yield trait.model_copy(update={"question_set": asked}) if asked is not None else trait
