"""What was measured of one model: how often it gives each trait's answer, question by question."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from undertow.errors import UserError
from undertow.store.files import write_text
from undertow.store.tables import read_table, write_table


@dataclass(frozen=True)
class TraitMeasure:
    """Answers of one model; every table is `[question, trait]`.

    Attributes:
        questions: What was asked.
        traits: Names of the traits that compete for the answer.
        n_samples: Answers drawn per question; 0 where nothing was sampled.
        counts: Sampled answers that name the trait; the rest of `n_samples` names none.
        probabilities: Exact probability of the trait's answer (`exact.answer_probabilities`).
    """

    questions: tuple[str, ...]
    traits: tuple[str, ...]
    n_samples: int
    counts: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def rates(self, trait: str) -> NDArray[np.float64]:
        """Return the sampled rate of a trait per question, `[question]`.

        Raises:
            UserError: Nothing was sampled, or the trait was not measured.
        """
        if not self.n_samples:
            raise UserError(
                "no answers were sampled", fix="raise n_samples, or use the exact probability"
            )
        return self.counts[:, self._place(trait)] / self.n_samples

    def rate(self, trait: str) -> float:
        """Return the sampled rate of a trait, mean over questions."""
        return float(self.rates(trait).mean())

    def exact(self, trait: str) -> NDArray[np.float64]:
        """Return the exact probability of a trait's answer per question, `[question]`.

        Raises:
            UserError: The trait was not measured.
        """
        return self.probabilities[:, self._place(trait)]

    def probability(self, trait: str) -> float:
        """Return the exact probability of a trait's answer, mean over questions."""
        return float(self.exact(trait).mean())

    @property
    def non_answers(self) -> int:
        """Sampled answers that name none of the traits."""
        return self.n_samples * len(self.questions) - int(self.counts.sum())

    def records(self) -> list[dict[str, object]]:
        """Return a line per question and trait, question by question."""
        return [
            {
                "question": question,
                "trait": trait,
                "count": int(self.counts[row, column]),
                "probability": float(self.probabilities[row, column]),
            }
            for row, question in enumerate(self.questions)
            for column, trait in enumerate(self.traits)
        ]

    def _place(self, trait: str) -> int:
        if trait not in self.traits:
            raise UserError(
                f"the trait '{trait}' was not measured",
                fix=f"choose one of {', '.join(self.traits)}",
            )
        return self.traits.index(trait)

    def write(self, path: Path) -> None:
        """Write to `.json`, or else to Parquet: a line per question and trait."""
        records, meta = self.records(), self._meta()
        if path.suffix == ".json":
            text = json.dumps({**meta, "answers": records}, indent=1)
            write_text(path, text)
        else:
            write_table(path, pa.Table.from_pylist(records), meta)

    @classmethod
    def read(cls, path: Path) -> TraitMeasure:
        """Read what `write` wrote.

        Raises:
            UserError: The file is missing, or holds something else.
        """
        try:
            if path.suffix == ".json":
                meta = json.loads(path.read_text(encoding="utf-8"))
                records = meta["answers"]
            else:
                table, meta = read_table(path)
                records = table.to_pylist()
            shape = (len(meta["questions"]), len(meta["traits"]))
            return cls(
                questions=tuple(meta["questions"]),
                traits=tuple(meta["traits"]),
                n_samples=meta["n_samples"],
                counts=np.array([one["count"] for one in records], dtype=np.int64).reshape(shape),
                probabilities=np.array(
                    [one["probability"] for one in records], dtype=float
                ).reshape(shape),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError("cannot read a measurement here", where=str(path)) from error

    def _meta(self) -> dict[str, object]:
        """Return what is the same for all lines of the table."""
        return {
            "questions": list(self.questions),
            "traits": list(self.traits),
            "n_samples": self.n_samples,
        }
