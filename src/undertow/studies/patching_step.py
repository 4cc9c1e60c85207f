"""The patching of some data as a cached step, small enough to outlive what led to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from undertow.frozen import Frozen
from undertow.mechanism.patching import CLASSES, Patchings, attribute
from undertow.mechanism.patching.patched import Method
from undertow.mechanism.patching.segments import PositionClass
from undertow.store import Artifact
from undertow.studies.artifacts import Numbers, Scanned
from undertow.studies.making import Making, described
from undertow.studies.ratios import share_by_block
from undertow.studies.readings import PatchedShare, PatchingRun

BLOCKS = 20
"""Parts into which the rows are dealt, so that a share has an interval over rows."""

METHODS: tuple[Method, ...] = ("integrated", "one step", "exact")


class PatchedData(Frozen):
    """What patching changes, in logits, summed over the rows of each block.

    A row counts with the mean over its counterfactual teachers.
    """

    n_rows: int = Field(description="Rows with a divergence token.")
    n_pairs: int = Field(description="Pairs of a row and a counterfactual teacher.")
    whole: list[list[float]] = Field(
        description="[layer][block]: the layer's output replaced at all positions."
    )
    parts: dict[Method, dict[PositionClass, list[list[float]]]] = Field(
        description="[layer][block] by method and part of the chat."
    )

    @property
    def n_layers(self) -> int:
        """Decoder layers of the model."""
        return len(self.whole)

    def share(self, reading: PatchedShare) -> NDArray[np.float64]:
        """Return one reading of it as a table, `[1, block]` (`ratios.share_by_block`).

        Attributions, and the exact changes of several parts, are added up.
        """
        there = self._there(reading)
        if reading.gives == "added":
            there = np.diff(there, axis=0, prepend=0.0)
        return share_by_block(there[reading.layer], np.array(self.whole)[-1])

    def _there(self, reading: PatchedShare) -> NDArray[np.float64]:
        """Return what is there after every layer, `[layer, block]`, in logits."""
        if reading.method == "exact" and not reading.parts:
            return np.array(self.whole)
        found = self.parts[reading.method]
        wanted = [np.array(found[part]) for part in reading.parts or CLASSES if part in found]
        return np.sum(wanted, axis=0) if wanted else np.zeros_like(self.whole)


def patched_artifact(lab: Making, numbers: Numbers, scanned: Scanned, run: PatchingRun) -> Artifact:
    """Return the step that patches rows of some data, against all that they were scanned with."""
    others = lab.scanned_with(numbers.writer)
    settings = {
        "patching": run.config,
        "rows": min(run.rows, lab.recipe.rows),
        "factual": described(numbers.writer),
        "counterfactuals": [described(made) for made in others],
    }
    inputs = {"numbers": numbers.artifact, "scan": scanned.artifact}

    def build(out: Path) -> None:
        rows = numbers.train[: run.rows]
        table = scanned.table.take([row.row_id for row in rows])
        teachers = [made.teacher for made in (numbers.writer, *others)]
        names = {
            teacher.label: lab.traits[teacher.trait].answers
            for teacher in teachers
            if teacher.trait in lab.traits
        }
        found = attribute(lab.teacher_chat, rows, table, teachers, names, run.config)
        kept = in_blocks(found, [row.row_id for row in rows])
        (out / "patched.json").write_text(kept.model_dump_json(), encoding="utf-8")

    return lab.step("attribute", lab.teacher_base, settings, inputs, build)


def patched_data(lab: Making, numbers: Numbers, scanned: Scanned, run: PatchingRun) -> PatchedData:
    """Return what patching rows of some data changes."""
    path = patched_artifact(lab, numbers, scanned, run).path / "patched.json"
    return PatchedData.model_validate_json(path.read_text(encoding="utf-8"))


def in_blocks(found: Patchings, row_ids: Sequence[int]) -> PatchedData:
    """Return patchings summed over blocks of rows.

    Args:
        found: Of some of the rows.
        row_ids: Of all rows, whose order decides the blocks.
    """
    block_of = {row_id: place % BLOCKS for place, row_id in enumerate(row_ids)}
    pairs_of = {row_id: found.row_ids.count(row_id) for row_id in found.row_ids}

    def summed(values: Sequence[NDArray[np.float64]]) -> list[list[float]]:
        """Return `[layer][block]` of each pair's `[layer]`."""
        sums = np.zeros((found.n_layers, BLOCKS))
        for row_id, one in zip(found.row_ids, values, strict=True):
            sums[:, block_of[row_id]] += one / pairs_of[row_id]
        return [[round(value, 6) for value in line] for line in sums.tolist()]

    occurring = sorted({int(place) for one in found.pairs for place in one.classes})
    return PatchedData(
        n_rows=len(pairs_of),
        n_pairs=len(found.pairs),
        whole=summed([one.exact for one in found.pairs]),
        parts={
            method: {
                CLASSES[part]: summed([one.by_class(method)[:, part] for one in found.pairs])
                for part in occurring
            }
            for method in METHODS
        },
    )
