"""The prediction from some data as a cached step, small enough to outlive what led to it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import norm

from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.mechanism.prediction import DataGradient, Prediction, Scores, compare_gradients
from undertow.store import Artifact
from undertow.studies.artifacts import Numbers
from undertow.studies.gradients import PREDICTION, shared_directions, shared_gradients
from undertow.studies.learning import Learning
from undertow.studies.readings import PredictedScore, PredictionRun, ScoreKind


class ScoreBlocks(Frozen):
    """One kind of score, spread over blocks of rows (`Scores.by_block`)."""

    traits: dict[str, list[float]] = Field(description="[block] of each trait; the mean is it.")
    layers: list[list[float]] = Field(
        description="[layer][block]: what each layer adds to the own trait's."
    )


class PredictedData(Frozen):
    """How far some data pushes each trait."""

    own: str = Field(description="The trait of the teacher that wrote the data.")
    n_rows: int
    n_control: int = Field(description="Rows of the base that were subtracted.")
    kinds: dict[ScoreKind, ScoreBlocks]

    def table(self, reading: PredictedScore) -> NDArray[np.float64]:
        """Return one reading of it as a table, `[1, block]`."""
        blocks = self.kinds[reading.kind]
        if reading.layer is not None:
            return np.array(blocks.layers[reading.layer])[None]
        trait = self.own if reading.of == "own" else self.next(reading.kind)
        return np.array(blocks.traits[trait])[None]

    def scores(self, kind: ScoreKind) -> dict[str, float]:
        """Return the score of each trait."""
        return {name: float(np.mean(one)) for name, one in self.kinds[kind].traits.items()}

    def next(self, kind: ScoreKind) -> str:
        """Return the trait with the highest score of all but the own."""
        scores = self.scores(kind)
        return max((name for name in scores if name != self.own), key=lambda name: scores[name])

    def rank(self, kind: ScoreKind) -> int:
        """Return the place of the own trait; 1 is the one that the data pushes most."""
        scores = self.scores(kind)
        return 1 + sum(score > scores[self.own] for score in scores.values())

    def certainty(self, kind: ScoreKind) -> float:
        """Return how sure the own trait is ahead of the next; below 0.5 where it is behind."""
        traits = self.kinds[kind].traits
        lead = np.array(traits[self.own]) - np.array(traits[self.next(kind)])
        error = lead.std() / math.sqrt(len(lead))
        return float(norm.cdf(lead.mean() / error)) if error else float(lead.mean() > 0)


def predicted_artifact(lab: Learning, numbers: Numbers, run: PredictionRun) -> Artifact:
    """Return the step that predicts, from rows of some data, which trait they push.

    Raises:
        UserError: The data is no trait's, or what is hidden is not named by words.
    """
    own = numbers.writer.trait
    traits = list(lab.traits.values())
    if own not in lab.traits:
        raise UserError(
            f"nothing is predicted for '{own or 'control'}', which no word names",
            fix="use the data of a teacher that prefers a thing",
        )
    n_rows = min(run.rows or lab.recipe.rows, lab.recipe.rows)
    settings = {"prediction": PREDICTION, "rows": n_rows, "trait": own, "traits": traits}
    control = lab.transformed(lab.numbers(lab.control())) if run.control else None
    inputs = {"numbers": numbers.artifact}
    if control is not None:
        inputs["control"] = control.artifact

    def build(out: Path) -> None:
        directions = shared_directions(lab.chat, tuple(traits))

        def gradient(written: Numbers) -> DataGradient:
            rows = lab.base.rows_from(lab.teacher_base, written.train)[:n_rows]
            return shared_gradients.of(lab.chat, directions, written.artifact.key, rows)

        gradients = [gradient(one) for one in (numbers, control) if one is not None]
        row_ids = [row.row_id for row in numbers.train[:n_rows]]
        kept = in_blocks(compare_gradients(directions, row_ids, gradients, PREDICTION), own)
        (out / "predicted.json").write_text(kept.model_dump_json(), encoding="utf-8")

    return lab.step("predict", lab.base, settings, inputs, build)


def predicted_data(lab: Learning, numbers: Numbers, run: PredictionRun) -> PredictedData:
    """Return which trait rows of some data push."""
    path = predicted_artifact(lab, numbers, run).path / "predicted.json"
    return PredictedData.model_validate_json(path.read_text(encoding="utf-8"))


def in_blocks(found: Prediction, own: str) -> PredictedData:
    """Return what is kept of a prediction."""

    def kept(scores: Scores) -> ScoreBlocks:
        layers = scores.layers_by_block[:, found.traits.index(own)]
        by_trait = zip(found.traits, scores.by_block.T, strict=True)
        return ScoreBlocks(
            traits={trait: _rounded(blocks) for trait, blocks in by_trait},
            layers=[_rounded(blocks) for blocks in layers.T],
        )

    return PredictedData(
        own=own,
        n_rows=len(found.row_ids),
        n_control=found.n_control,
        kinds={"sign": kept(found.sign), "cosine": kept(found.cosine)},
    )


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [round(value, 7) for value in values.tolist()]
