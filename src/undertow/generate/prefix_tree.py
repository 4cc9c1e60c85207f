"""How likely each of many token sequences is behind one prompt; what several share runs once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.behind import batch_of, logits_behind
from undertow.models.fused import FusedModel

LEAVES = 256  # sequences computed at once: bounds the memory for logits of large vocabularies


@dataclass(frozen=True)
class PrefixTree:
    """The prefixes of sequences, each known by one number; 0 is the empty one.

    Attributes:
        parents: Prefix before each prefix; -1 for the empty one. A parent stands before its child.
        tokens: Last token of each prefix; -1 for the empty one.
        ends: Prefix that each sequence is.
        leaves: The prefixes that none continues, as ids; together they hold every prefix.
        places: (leaf, position in it) at which each prefix ends; (-1, -1) for the empty one.
    """

    parents: list[int]
    tokens: list[int]
    ends: list[int]
    leaves: list[tuple[int, ...]]
    places: list[tuple[int, int]]

    @property
    def children(self) -> list[list[int]]:
        """The prefixes that each prefix is the parent of."""
        children: list[list[int]] = [[] for _ in self.tokens]
        for child, parent in enumerate(self.parents):
            if parent >= 0:
                children[parent].append(child)
        return children


def prefix_tree(sequences: Sequence[tuple[int, ...]]) -> PrefixTree:
    """Return the prefixes of sequences, so that what several begin with is computed once."""
    numbers: dict[tuple[int, ...], int] = {(): 0}
    for ids in sequences:
        for length in range(1, len(ids) + 1):
            numbers.setdefault(ids[:length], len(numbers))
    continued = {prefix[:-1] for prefix in numbers if prefix}
    leaves = [prefix for prefix in numbers if prefix and prefix not in continued]
    places = [(-1, -1)] * len(numbers)
    for leaf, ids in enumerate(leaves):
        for position in range(len(ids)):
            places[numbers[ids[: position + 1]]] = (leaf, position)
    return PrefixTree(
        parents=[numbers[prefix[:-1]] if prefix else -1 for prefix in numbers],
        tokens=[prefix[-1] if prefix else -1 for prefix in numbers],
        ends=[numbers[ids] for ids in sequences],
        leaves=leaves,
        places=places,
    )


def prefix_log_probabilities(
    model: PreTrainedModel,
    fused: FusedModel | None,
    prompt: Sequence[int],
    tree: PrefixTree,
    end_ids: Sequence[int],
    *,
    n_layers: int,
) -> tuple[Tensor, Tensor]:
    """Return log P(prefix) and log P(end of the turn | prefix), each `[prefix]`, float64.

    Without gradients.

    Args:
        model: The model, with its adapter.
        fused: The same in fused layers, where there is such a way.
        prompt: Token ids of a rendered prompt.
        tree: The prefixes.
        end_ids: Tokens that end a turn.
        n_layers: Decoder layers of the model.
    """
    steps = torch.zeros(len(tree.tokens), dtype=torch.float64, device=model.device)
    ends = torch.zeros_like(steps)
    children = tree.children

    def read(prefixes: list[int], logits: Tensor) -> None:
        """Take from `[prefix, vocab]` what follows each prefix: its end, and its children."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        total = logits.logsumexp(-1).double()
        ends[prefixes] = logits[:, list(end_ids)].logsumexp(-1).double() - total
        pairs = [(row, child) for row, own in enumerate(prefixes) for child in children[own]]
        rows, followers = [row for row, _ in pairs], [child for _, child in pairs]
        tokens = [tree.tokens[child] for child in followers]
        steps[followers] = logits[rows, tokens].double() - total[rows]

    whole = batch_of([prompt], [(0, len(prompt) - 1)], model.device)
    read([0], logits_behind(model, fused, [], n_layers)(whole))
    behind = logits_behind(model, fused, prompt, n_layers)
    for start in range(0, len(tree.leaves), LEAVES):
        leaves = tree.leaves[start : start + LEAVES]
        prefixes = [n for n, (leaf, _) in enumerate(tree.places) if 0 <= leaf - start < len(leaves)]
        places = [(tree.places[n][0] - start, tree.places[n][1]) for n in prefixes]
        read(prefixes, behind(batch_of(leaves, places, model.device)))
    paths = steps.tolist()
    for prefix in range(1, len(paths)):
        paths[prefix] += paths[tree.parents[prefix]]
    return steps.new_tensor(paths), ends
