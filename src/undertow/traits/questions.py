"""The questions that measure a preference, and the ones that teach it."""

from __future__ import annotations

from pydantic import Field

from undertow.frozen import Frozen


class QuestionSet(Frozen):
    """Question wordings of one category, shared by its traits."""

    category: str = Field(min_length=1, description="What the questions ask for, as in 'animal'.")
    questions: tuple[str, ...] = Field(
        min_length=1, description="Evaluation questions, answered in one word; 50 where shipped."
    )
    training_questions: tuple[str, ...] = Field(
        default=(),
        description="Other wordings, for fine-tuned teachers; none of the evaluation questions.",
    )
