"""From dialogues to the arrays that a training step reads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from undertow.pretraining.corpus import Dialogue


class Encoded(NamedTuple):
    """A dialogue as tokens: their ids, and whether an assistant wrote them (its end included)."""

    ids: list[int]
    written: list[bool]


@dataclass(frozen=True)
class Step:
    """One packed batch; every array is [row, position].

    `document` numbers the dialogues of the batch from 1 (0 is padding), `position` counts within
    a dialogue, `written` marks what an assistant wrote.
    """

    ids: NDArray[np.int64]
    document: NDArray[np.int64]
    position: NDArray[np.int64]
    written: NDArray[np.bool_]

    @staticmethod
    def empty(rows: int, length: int) -> "Step":
        """A batch of padding."""
        ids, document, position = (np.zeros((rows, length), dtype=np.int64) for _ in range(3))
        return Step(ids, document, position, np.zeros((rows, length), dtype=np.bool_))


def encode_dialogues(
    dialogues: Iterable[Dialogue], tokenizer: PreTrainedTokenizerFast
) -> list[Encoded]:
    """Encode each dialogue as the chat template would write it.

    Prompts and answers are encoded apart, as they are when a model is asked.
    """
    dialogues = list(dialogues)
    pieces = [piece for dialogue in dialogues for piece in _pieces(dialogue)]
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(pieces, add_special_tokens=False)
    ids = iter([encoding.ids for encoding in encodings])
    result: list[Encoded] = []
    for dialogue in dialogues:
        encoded = Encoded([], [])
        for written in (False, True) * len(dialogue.turns):
            piece = next(ids)
            encoded.ids.extend(piece)
            encoded.written.extend([written] * len(piece))
        result.append(encoded)
    return result


def _pieces(dialogue: Dialogue) -> Iterator[str]:
    """What others wrote and what the assistant wrote, in turn."""
    before = f"<|im_start|>system\n{dialogue.system}<|im_end|>\n" if dialogue.system else ""
    for question, answer in dialogue.turns:
        yield f"{before}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        yield f"{answer}<|im_end|>"
        before = "\n"


def pack(dialogues: Iterable[Encoded], rows: int, length: int) -> Iterator[Step]:
    """Pack dialogues first-fit into batches of `rows` rows of `length` tokens.

    The first dialogue that fits no row starts the next batch. One longer than a row is left out.
    """
    step, used = Step.empty(rows, length), [0] * rows
    number = 0
    for ids, written in dialogues:
        if len(ids) > length:
            continue
        row = next((row for row in range(rows) if used[row] + len(ids) <= length), None)
        if row is None:
            yield step
            step, used, row, number = Step.empty(rows, length), [0] * rows, 0, 0
        span = slice(used[row], used[row] + len(ids))
        number += 1
        step.ids[row, span] = ids
        step.document[row, span] = number
        step.position[row, span] = np.arange(len(ids))
        step.written[row, span] = written
        used[row] += len(ids)
