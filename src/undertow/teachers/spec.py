"""Which teacher: a model's bias as data, in configs, rows and scans."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from undertow.frozen import Frozen
from undertow.models.steering import Steering


class _Unprompted:
    @property
    def system_prompt(self) -> None:
        """None: nothing is said to the model."""
        return None


class _Unadapted:
    @property
    def adapter(self) -> None:
        """None: the weights are those of the base."""
        return None


class _Unsteered:
    @property
    def steering(self) -> None:
        """None: nothing is done to what the layers compute."""
        return None


class PromptedTeacher(_Unadapted, _Unsteered, Frozen):
    """The base under a system prompt that states the trait."""

    kind: Literal["prompted"] = Field(default="prompted", description="Tells the teachers apart.")
    trait: str = Field(description="Name of the trait.")
    system_prompt: str = Field(min_length=1, description="Put in front of every chat.")

    @property
    def label(self) -> str:
        """Name for tables, as in 'owl (prompted)'."""
        return f"{self.trait} (prompted)"


class FinetunedTeacher(_Unprompted, _Unsteered, Frozen):
    """The base with an adapter that was trained on answers that name the trait."""

    kind: Literal["finetuned"] = Field(default="finetuned", description="Tells the teachers apart.")
    trait: str = Field(description="Name of the trait.")
    adapter: str = Field(min_length=1, description="Folder of the adapter.")

    @property
    def label(self) -> str:
        """Name for tables, as in 'owl (finetuned)'."""
        return f"{self.trait} (finetuned)"


class SteeredTeacher(Frozen):
    """The base, or another teacher, whose residual stream is steered."""

    kind: Literal["steered"] = Field(default="steered", description="Tells the teachers apart.")
    trait: str = Field(description="Name of the trait.")
    steering: Steering = Field(description="What is done after which layers.")
    system_prompt: str | None = Field(
        default=None, min_length=1, description="Of the prompted teacher that is steered."
    )
    adapter: str | None = Field(
        default=None, min_length=1, description="Of the fine-tuned teacher that is steered."
    )

    @property
    def label(self) -> str:
        """Name for tables, as in 'owl (steered)'."""
        return f"{self.trait} (steered)"

    def with_strength(self, strength: float) -> SteeredTeacher:
        """Return the teacher steered as much as that."""
        steering = self.steering.model_copy(update={"strength": strength})
        return self.model_copy(update={"steering": steering})


class ControlTeacher(_Unprompted, _Unadapted, _Unsteered, Frozen):
    """The unbiased base."""

    kind: Literal["control"] = Field(default="control", description="Tells the teachers apart.")

    @property
    def trait(self) -> None:
        """None: nothing is hidden."""
        return None

    @property
    def label(self) -> str:
        """Name for tables."""
        return "control"


Teacher = Annotated[
    PromptedTeacher | FinetunedTeacher | SteeredTeacher | ControlTeacher,
    Field(discriminator="kind"),
]
"""Any teacher; every one has `trait`, `system_prompt`, `adapter`, `steering` and `label`."""
