"""Data that a recipe changes between teacher and student, as cached steps."""

from __future__ import annotations

from pathlib import Path

from undertow.errors import UserError
from undertow.models.chat_model import ModelSpec
from undertow.store.rows import write_rows
from undertow.studies.artifacts import Entangled, Numbers
from undertow.studies.changes import DataChange, apply_change
from undertow.studies.making import Making, described, inputs_of
from undertow.studies.tasks import TeacherKind
from undertow.tokens import entangled_scores
from undertow.transforms import Inputs


class Changing(Making):
    """Changes data as the recipe says; nothing is made twice."""

    def transformed(self, numbers: Numbers) -> Numbers:
        """Return the numbers after the recipe's transforms; the same where it has none."""
        for change in self.recipe.transforms:
            numbers = self._changed(numbers, change)
        return numbers

    def _changed(self, numbers: Numbers, change: DataChange) -> Numbers:
        """Return the data after one change; held-out rows are left as they are."""
        change.check(numbers.writer.trait)
        other = self._with_teachers_on(change.model)
        kind = "control" if change.by == "control" else numbers.writer.teacher.kind
        party = other.teacher(numbers.writer.trait or "", kind)
        others = other.numbers(party) if change.needs_others else None
        scanned = self.scan(numbers) if change.needs_scan else None
        entangled = (
            self.entangled(numbers.writer.teacher.kind) if change.needs_all_teachers else None
        )
        settings = {
            "change": change,
            "by": described(party),
            "trait": numbers.writer.trait,
            "rows": self.recipe.rows,
            **change.revision,
        }
        parts = {"others": others, "scan": scanned, "entangled": entangled}
        inputs = {name: part.artifact for name, part in parts.items() if part is not None}

        def build(out: Path) -> None:
            inputs = Inputs(
                chat=self.teacher_chat,
                channel=self.channel,
                teacher=party.teacher,
                traits=list(self.traits.values()),
                scan=scanned.table if scanned is not None else None,
                others=self.teacher_base.rows_from(other.teacher_base, others.train)
                if others is not None
                else None,
            )
            table = entangled.table if entangled is not None else None
            found = apply_change(change, numbers.train, inputs, table, numbers.writer.trait)
            write_rows(out / "rows.parquet", found.rows, {"change": change.model_dump(mode="json")})
            report = found.report.model_dump_json(indent=1)
            (out / "report.json").write_text(report, encoding="utf-8")

        inputs |= inputs_of(by=party) | {"numbers": numbers.artifact}
        made = self.step("data", self.teacher_base, settings, inputs, build)
        return Numbers(numbers.writer, made, self.recipe.rows, before=numbers)

    def _with_teachers_on(self, model: ModelSpec | None) -> Making:
        """Return the lab whose teachers are on another base; this one for None."""
        if model is None:
            return self
        return Making(self.store, self.recipe.with_teachers_on(model), list(self.hidden.values()))

    def entangled(self, kind: TeacherKind) -> Entangled:
        """Return how entangled every short string of digits is with each of the lab's traits.

        Raises:
            UserError: It has none, but tendencies, which no word names.
        """
        if not self.traits:
            raise UserError(
                f"no string is entangled with '{self.recipe.category}', which no word names",
                fix="leave entangled strings out of the transforms, or use another category",
            )
        teachers = [self.teacher(name, kind) for name in self.traits]
        settings = {"teachers": [described(made) for made in teachers]}
        inputs = inputs_of(**{made.trait or "": made for made in teachers})

        def build(out: Path) -> None:
            traits = list(self.traits.values())
            found = entangled_scores(self.teacher_chat, [made.teacher for made in teachers], traits)
            found.write(out / "entangled.parquet")

        return Entangled(self.step("entangled", self.teacher_base, settings, inputs, build))
