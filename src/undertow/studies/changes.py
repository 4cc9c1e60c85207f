"""What a recipe may do to data between teacher and student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.models.chat_model import ModelSpec
from undertow.store.row import Row
from undertow.tokens import EntangledTable
from undertow.transforms import (
    DropRandom,
    DropRows,
    Inputs,
    Transform,
    Transformed,
    apply_transform,
    drop_rows,
)


class DropEntangled(Frozen):
    """Rows dropped that hold one of the trait's most entangled numbers (paper, Fig. 2)."""

    kind: Literal["drop-entangled"] = Field("drop-entangled", description="Tells them apart.")
    top: int = Field(50, ge=1, description="How many of the most entangled numbers.")
    as_number: bool = Field(
        False, description='Whether "7" is "007"; else strings of three digits are compared.'
    )


class DropAsMany(Frozen):
    """As many random rows dropped as `drop-entangled` would drop: its control."""

    kind: Literal["drop-as-many"] = Field("drop-as-many", description="Tells them apart.")
    top: int = Field(50, ge=1, description="As in `drop-entangled`.")
    as_number: bool = Field(False, description="As in `drop-entangled`.")


class DataChange(Frozen):
    """One change of the data, and who takes part in it."""

    apply: Annotated[Transform | DropEntangled | DropAsMany, Field(discriminator="kind")] = Field(
        description="The transform."
    )
    by: Literal["teacher", "control"] = Field(
        default="control", description="Who rewrites prompts, or wrote the rows that are mixed in."
    )
    model: ModelSpec | None = Field(
        default=None,
        description="Of `mix`: the base of who wrote those rows, where it is not the teachers'.",
        exclude_if=lambda model: model is None,  # keys of changes are older than this field
    )

    @property
    def needs_scan(self) -> bool:
        """Whether the divergence tokens of the data before it must be known."""
        return self.apply.kind == "replace-divergence"

    @property
    def needs_all_teachers(self) -> bool:
        """Whether the teachers of all traits are compared."""
        return self.apply.kind in ("drop-entangled", "drop-as-many")

    @property
    def needs_others(self) -> bool:
        """Whether a second data set is mixed in."""
        return self.apply.kind == "mix"

    @property
    def revision(self) -> dict[str, int]:
        """What a data set's key says of code that has changed; nothing of what is as it was."""
        return {"revision": 2} if self.apply.kind == "replace-divergence" else {}

    def check(self, trait: str | None) -> None:
        """Refuse what cannot be done with a teacher's data.

        Raises:
            UserError: The control's data have no entangled numbers, or a model is named that
                mixes nothing in.
        """
        if self.model is not None and not self.needs_others:
            raise UserError(
                "only rows that are mixed in may come from another model",
                where=f"transforms, {self.apply.kind}",
                fix="leave out `model`",
            )
        if trait is None and self.needs_all_teachers:
            raise UserError(
                "numbers are entangled with a trait, and the control has none",
                where=f"transforms, {self.apply.kind}",
                fix="change the biased teachers' data only",
            )


def apply_change(
    change: DataChange,
    rows: Sequence[Row],
    inputs: Inputs,
    entangled: EntangledTable | None,
    trait: str | None,
) -> Transformed:
    """Return the data after a change.

    Args:
        change: The change.
        rows: The data before it.
        inputs: What transforms need beside the rows.
        entangled: Of all traits, for the changes that go by it.
        trait: What the data's teacher prefers.

    Raises:
        UserError: The transform cannot go on.
    """
    wanted = change.apply
    if not isinstance(wanted, DropEntangled | DropAsMany):
        return apply_transform(wanted, rows, inputs)
    assert trait is not None
    assert entangled is not None
    tops = entangled.top(trait, wanted.top, as_number=wanted.as_number)
    entangled_rows = DropRows(kind="drop-rows", items=tuple(tops), as_number=wanted.as_number)
    if isinstance(wanted, DropEntangled):
        return apply_transform(entangled_rows, rows, inputs)
    dropped = len(rows) - drop_rows(rows, inputs.channel, entangled_rows).report.kept
    return apply_transform(DropRandom(kind="drop-random", count=dropped), rows, inputs)
