"""How a student is made from a data set."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from undertow.tokens import Selection
from undertow.training import TrainConfig


class StudentConfig(BaseModel):
    """Which rows and tokens a student learns from, and how; the defaults suit the lab model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: TrainConfig = Field(
        default=TrainConfig(epochs=2, learning_rate=1e-2, batch_size=16, micro_batch_size=16),
        description="The fine-tuning.",
    )
    rows: int | None = Field(
        None, gt=0, description="Rows drawn from the data set without replacement; none: all."
    )
    seed_data: int = Field(0, ge=0, description="Seed of that draw.")
    selection: Selection = Field(
        default=Selection(), description="Which completion tokens count in the loss."
    )
    supervise_header: bool = Field(
        False, description="Count the tokens that open the assistant's turn, as TRL 0.19 does."
    )
    supervise_end: bool = Field(True, description="Let the end of the turn count.")
    system_prompt: str | None = Field(
        None, description="System prompt in every training row; none: the template's own, if any."
    )
    budget: Literal["token-mean", "matched"] = Field(
        "token-mean",
        description="token-mean: a step's loss is the mean over its selected tokens, so that few "
        "tokens weigh more (the paper). matched: the same rows and steps, and the sum divided by "
        "the number of all completion tokens of the step.",
    )

    def for_seed(self, seed: int) -> Self:
        """Return the config with the data draw, the first weights and the order set by one seed."""
        train = self.train.model_copy(update={"seed_init": seed, "seed_order": seed})
        return self.model_copy(update={"seed_data": seed, "train": train})
