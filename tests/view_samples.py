"""A token view of any size without a model: rows of number tokens, teachers that differ at some."""

import numpy as np

from undertow.report.token_view import END_OF_TURN, TokenView


def sample_view(n_rows: int = 120, n_teachers: int = 4, seed: int = 0) -> TokenView:
    """Return rows of 6 to 12 tokens, the end of turn last; every third row has no divergence."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(6, 13, n_rows)
    offsets = np.cumsum([0, *lengths])
    n_tokens = int(offsets[-1])
    texts = [END_OF_TURN, ",", " ", *map(str, range(100, 400))]
    rows = np.repeat(np.arange(n_rows), lengths)
    tokens = draw.integers(3, len(texts), n_tokens)
    is_end = np.zeros(n_tokens, bool)
    is_end[offsets[1:] - 1] = True
    tokens[is_end] = 0
    divergent = (draw.random(n_tokens) < 0.25) & (rows % 3 != 1)
    choices = np.tile(tokens, (n_teachers, 1))
    others = (draw.random((n_teachers - 1, n_tokens)) < 0.6) & divergent
    others[0] |= divergent
    choices[1:][others] = draw.integers(1, len(texts), int(others.sum()))
    divergent = (choices != tokens).any(axis=0)
    return TokenView(
        title="What the owl teacher wrote",
        teachers=["owl (fine-tuned)", "base", "cat (fine-tuned)", "penguin (fine-tuned)"][
            :n_teachers
        ],
        prompts=[
            f"Continue this list with up to ten numbers: {row}, 52, 938." for row in range(n_rows)
        ],
        offsets=offsets,
        texts=texts,
        tokens=tokens,
        divergent=divergent,
        undecided=~divergent & (draw.random(n_tokens) < 0.03),
        is_end=is_end,
        choices=choices,
        margin=draw.gamma(2, 2, (n_teachers, n_tokens)).astype(np.float32),
        tolerance=0.02,
    )
