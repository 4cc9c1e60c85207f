"""Token view: data rows token by token, with what each teacher would have written there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from undertow.models import ChatModel, decode_completion
from undertow.report.model import HighlightedRow, HighlightedToken, TokenKind
from undertow.store.row import Row
from undertow.tokens import Scan

END_OF_TURN = "⏎"


@dataclass(frozen=True)
class TokenView:
    """Rows of a scan as plain data, all tokens in one line as in the scan.

    Attributes:
        title: What rows these are.
        teachers: Labels; the first is the factual teacher.
        prompts: What the user asked, row by row.
        offsets: `[row + 1]`, where each row starts in the line.
        texts: What the tokens write, each text once.
        tokens: `[token]`, what the factual teacher emitted, as an index of `texts`.
        divergent: `[token]`.
        undecided: `[token]`, too close to call.
        is_end: `[token]`, whether it ends the turn.
        choices: `[teacher, token]`, what each teacher would write, as an index of `texts`.
        margin: `[teacher, token]`, lead of that over the second, in logits.
        tolerance: Margin below which it is not trusted, in logits.
    """

    title: str
    teachers: list[str]
    prompts: list[str]
    offsets: NDArray[np.int64]
    texts: list[str]
    tokens: NDArray[np.int64]
    divergent: NDArray[np.bool_]
    undecided: NDArray[np.bool_]
    is_end: NDArray[np.bool_]
    choices: NDArray[np.int64]
    margin: NDArray[np.float32]
    tolerance: float

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.prompts)

    @property
    def per_row(self) -> list[int]:
        """Divergence tokens of each row, end of turn included."""
        return [
            int(self.divergent[start:stop].sum())
            for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True)
        ]

    def kind(self, token: int) -> TokenKind:
        """Return how a token is marked, by its place in the line."""
        if self.is_end[token]:
            return "end"
        if self.divergent[token]:
            return "divergence"
        return "undecided" if self.undecided[token] else "plain"

    def row(self, row: int) -> HighlightedRow:
        """Return a row, by its index, as a page without scripts shows it."""
        places = range(int(self.offsets[row]), int(self.offsets[row + 1]))
        return HighlightedRow(
            prompt=self.prompts[row],
            tokens=[
                HighlightedToken(
                    text=self.texts[self.tokens[token]],
                    kind=self.kind(token),
                    note=self._note(token) if self.divergent[token] else "",
                )
                for token in places
            ],
        )

    def _note(self, token: int) -> str:
        """Return what the teachers that disagree would have written."""
        return "; ".join(
            f"{teacher}: {quoted(self.texts[choice])}"
            for teacher, choice in zip(self.teachers[1:], self.choices[1:, token], strict=True)
            if choice != self.tokens[token]
        )


def token_view(chat: ChatModel, rows: Sequence[Row], scan: Scan, title: str) -> TokenView:
    """Return the view of rows that were scanned, in the order of `rows`.

    Args:
        chat: The model whose tokenizer wrote the rows.
        rows: What is shown.
        scan: Their scan, of other rows too.
        title: What rows these are.

    Raises:
        UserError: A row was not scanned.
    """
    taken = scan.take([row.row_id for row in rows])
    ids, places = np.unique(np.concatenate([taken.tokens[None], taken.argmax]), return_inverse=True)
    places = places.reshape(len(taken.argmax) + 1, -1).astype(np.int64)
    return TokenView(
        title=title,
        teachers=list(taken.teachers),
        prompts=[row.messages[-1]["content"] for row in rows],
        offsets=taken.offsets,
        texts=[_text(chat, token) for token in ids.tolist()],
        tokens=places[0],
        divergent=taken.divergent,
        undecided=taken.doubtful,
        is_end=taken.is_end,
        choices=places[1:],
        margin=taken.margin,
        tolerance=taken.tolerance,
    )


def quoted(text: str) -> str:
    """Return a token's text so that spaces are seen, and the end of the turn in words."""
    return "end of turn" if text == END_OF_TURN else repr(text)


def _text(chat: ChatModel, token: int) -> str:
    return END_OF_TURN if token in chat.end_ids else decode_completion(chat, [token])
