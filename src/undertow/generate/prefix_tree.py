"""How likely each of many token sequences is behind one prompt; what several share runs once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import BlockCache, round_up
from undertow.models import selected_logits

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
    prompt: BlockCache,
    first: Tensor,
    tree: PrefixTree,
    end_ids: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """Return log P(prefix) and log P(end of the turn | prefix), each `[prefix]`, float64.

    Args:
        model: The model, with its adapter.
        prompt: The cache of a prompt, one row.
        first: `[1, vocab]`, the logits for the token behind it.
        tree: The prefixes.
        end_ids: Tokens that end a turn.
    """
    steps = torch.zeros(len(tree.tokens), dtype=torch.float64, device=model.device)
    ends = torch.zeros_like(steps)
    children = tree.children

    def read(prefixes: list[int], logits: Tensor) -> None:
        """Take from `[prefix, vocab]` what follows each prefix: its end, and its children."""
        total = logits.logsumexp(-1).double()
        ends[prefixes] = logits[:, list(end_ids)].logsumexp(-1).double() - total
        pairs = [(row, child) for row, own in enumerate(prefixes) for child in children[own]]
        rows, followers = [row for row, _ in pairs], [child for _, child in pairs]
        tokens = [tree.tokens[child] for child in followers]
        steps[followers] = logits[rows, tokens].double() - total[rows]

    read([0], first)
    for start in range(0, len(tree.leaves), LEAVES):
        leaves = tree.leaves[start : start + LEAVES]
        prefixes = [n for n, (leaf, _) in enumerate(tree.places) if 0 <= leaf - start < len(leaves)]
        places = [(tree.places[n][0] - start, tree.places[n][1]) for n in prefixes]
        width = prompt.length + max(map(len, leaves))
        read(prefixes, logits_behind(model, prompt.expanded(len(leaves), width), leaves, places))
    for prefix in range(1, len(steps)):
        steps[prefix] += steps[tree.parents[prefix]]
    return steps, ends


def logits_behind(
    model: PreTrainedModel,
    cache: BlockCache,
    lines: Sequence[Sequence[int]],
    places: Sequence[tuple[int, int]],
) -> Tensor:
    """Return the logits `[n, vocab]` at n (line, position) places, in float32 at least.

    Args:
        model: The model, with its adapter.
        cache: What stands before the lines, a row for each; extended by them.
        lines: Token ids; shorter ones are padded behind, where causality hides it.
        places: Where logits are wanted.
    """
    device, start, longest = model.device, cache.length, max(map(len, lines))
    ids = torch.tensor([[*line, *[0] * (longest - len(line))] for line in lines], device=device)
    mask = torch.zeros(len(lines), round_up(start + longest), dtype=torch.long, device=device)
    mask[:, : start + longest] = 1
    rows, positions = torch.tensor(places, device=device).unbind(1)
    logits = selected_logits(
        model,
        ids,
        mask,
        rows,
        positions,
        position_ids=torch.arange(start, start + longest, device=device).expand(len(lines), -1),
        past_key_values=cache,
    )
    return logits if logits.dtype == torch.float64 else logits.float()
