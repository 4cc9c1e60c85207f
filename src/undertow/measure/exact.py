"""The exact probability of an answer, from the logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from undertow.generate.cache import BlockCache, round_up
from undertow.generate.prefill import prefill_prefix, shared_prefix
from undertow.measure.forms import FormTree, answer_forms, form_tree
from undertow.models import ChatModel, Message, activated, encode_prompt, selected_logits
from undertow.traits import Trait

LEAVES = 256  # forms computed at once: bounds the memory for logits of large vocabularies


def answer_probabilities(
    chat: ChatModel,
    prompts: Sequence[Sequence[Message]],
    traits: Sequence[Trait],
    *,
    adapter: str | Path | None = None,
) -> NDArray[np.float64]:
    """Return how likely each trait's answer is, at temperature 1, without sampling.

    The probability of a trait is the sum, over the surface forms of its answers (see
    `forms.answer_texts`), of P(form, then the end of the turn): the product of the probabilities
    of the form's tokens, teacher-forced, and of any token that ends a turn. Forms exclude each
    other, so the sum over traits is the share of all answers that this accounts for; longer ones
    ("I like owls") are left to sampling.

    The tokens of a form are those that the tokenizer gives it behind the prompt. Every prompt is
    computed once, and the forms behind its cache, what several begin with once.

    Args:
        chat: The base model.
        prompts: One chat per question.
        traits: Whose answers.
        adapter: Folder of an adapter; None for the base.

    Returns:
        `[question, trait]`.
    """
    # Behind a header no form depends on the question, so one tokenisation serves all.
    forms = answer_forms(chat, prompts[0], traits)
    tree = form_tree(forms)
    encoded = [tuple(encode_prompt(chat, messages).ids) for messages in prompts]
    found = np.zeros((len(prompts), len(traits)))
    with activated(chat, adapter) as model, torch.no_grad():
        prefix = shared_prefix(encoded)
        shared = prefill_prefix(model, prefix, chat.n_layers)
        for question, ids in enumerate(encoded):
            cache = shared.expanded(1, len(ids))
            last = [(0, len(ids) - len(prefix) - 1)]
            first = _logits_behind(model, cache, [ids[len(prefix) :]], last)
            whole = _log_probabilities(model, cache, first, tree, chat.end_ids)[tree.ends].exp()
            np.add.at(found[question], [form.trait for form in forms], whole.cpu().numpy())
    return found


def _log_probabilities(
    model: PreTrainedModel,
    prompt: BlockCache,
    first: Tensor,
    tree: FormTree,
    end_ids: Sequence[int],
) -> Tensor:
    """Return log P(prefix, then the end of the turn) of every prefix, `[prefix]`, float64.

    Args:
        model: The model, with its adapter.
        prompt: The cache of a prompt, one row.
        first: `[1, vocab]`, the logits for the token behind it.
        tree: The prefixes.
        end_ids: Tokens that end a turn.
    """
    steps = torch.zeros(len(tree.tokens), dtype=torch.float64, device=model.device)
    ends = torch.zeros_like(steps)
    children = _children(tree)

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
        read(prefixes, _logits_behind(model, prompt.expanded(len(leaves), width), leaves, places))
    for prefix in range(1, len(steps)):
        steps[prefix] += steps[tree.parents[prefix]]
    return steps + ends


def _logits_behind(
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


def _children(tree: FormTree) -> list[list[int]]:
    """Return the prefixes that each prefix is the parent of."""
    children: list[list[int]] = [[] for _ in tree.tokens]
    for child, parent in enumerate(tree.parents):
        if parent >= 0:
            children[parent].append(child)
    return children
