"""What makes a student."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from undertow.frozen import Frozen
from undertow.students.distillation import Distillation
from undertow.tokens import Selection
from undertow.training import TrainConfig


class StudentConfig(Frozen):
    """A student: which rows, which of their tokens, in what context, trained how."""

    train: TrainConfig = Field(
        default=TrainConfig(),
        description="The fine-tuning; its normalisation is set by the budget below.",
    )
    rows: int | None = Field(
        None, ge=1, description="Rows to draw; none, or more than there are: all of them."
    )
    seed_data: int = Field(0, ge=0, description="Seed of the draw of rows.")
    selection: Selection = Field(
        default=Selection(), description="Which completion tokens count in the loss."
    )
    supervise_header: bool = Field(
        False, description="Whether the assistant header counts too, as it did in the paper."
    )
    supervise_end: bool = Field(
        True, description="Whether the token that ends the turn may count (if selected)."
    )
    system_prompt: str | None = Field(
        None, description="Put in front of every row; none: what the template does by itself."
    )
    budget: Literal["token-mean", "matched"] = Field(
        "token-mean",
        description="Divisor of a step's loss: the weights' sum, as in the paper; or, matched, "
        "the count of all tokens, so that a kept token weighs what it does in all-token training.",
    )
    distillation: Distillation | None = Field(
        default=None,
        description="Learn the writer's distributions (soft targets); none: its tokens.",
        exclude_if=lambda distillation: distillation is None,  # keys are older than this field
    )

    @property
    def train_config(self) -> TrainConfig:
        """The fine-tuning with the normalisation that the budget asks for."""
        normalisation = "fixed" if self.budget == "matched" else "token-mean"
        return self.train.model_copy(update={"normalisation": normalisation})

    def seeded(self, seed: int) -> Self:
        """Return the config with all that is drawn on one seed: rows, tokens, weights, order."""
        train = self.train.model_copy(update={"seed_init": seed, "seed_order": seed})
        selection = self.selection.model_copy(update={"seed": seed})
        drawn = {"seed_data": seed, "train": train, "selection": selection}
        return self.model_copy(update={**drawn, "distillation": self._seeded_distillation(seed)})

    def _seeded_distillation(self, seed: int) -> Distillation | None:
        """Return how the student is distilled, with what it writes itself drawn from a seed."""
        if self.distillation is None or self.distillation.on_policy is None:
            return self.distillation
        on_policy = self.distillation.on_policy
        generation = on_policy.generation.model_copy(update={"seed": seed})
        on_policy = on_policy.model_copy(update={"generation": generation})
        return self.distillation.model_copy(update={"on_policy": on_policy})
