"""The exact probability of an answer, from the logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from undertow.generate.prefix_tree import prefix_log_probabilities, prefix_tree
from undertow.measure.forms import answer_forms, answer_texts
from undertow.models import ChatModel, Message, activated, prompt_ids
from undertow.models.fused import FusedModel
from undertow.traits import Trait


def answer_probabilities(
    chat: ChatModel,
    prompts: Sequence[Sequence[Message]],
    traits: Sequence[Trait],
    *,
    adapter: str | Path | None = None,
) -> NDArray[np.float64]:
    """Return how likely each trait's answer is, at temperature 1, without sampling.

    The probability of a trait is the sum of `text_probabilities` over the surface forms of its
    answers (see `forms.answer_texts`). Forms exclude each other, so the sum over traits is the
    share of all answers that this accounts for; longer ones ("I like owls") are left to sampling.

    Args:
        chat: The base model.
        prompts: One chat per question.
        traits: Whose answers.
        adapter: Folder of an adapter; None for the base.

    Returns:
        `[question, trait]`.
    """
    texts = answer_texts(traits)
    whole = text_probabilities(chat, prompts, list(texts), adapter=adapter)
    found = np.zeros((len(prompts), len(traits)))
    np.add.at(found.T, list(texts.values()), whole.T)
    return found


def text_probabilities(
    chat: ChatModel,
    prompts: Sequence[Sequence[Message]],
    texts: Sequence[str],
    *,
    adapter: str | Path | None = None,
) -> NDArray[np.float64]:
    """Return how likely each text is as the whole answer, at temperature 1.

    P(text, then the end of the turn): the product of the probabilities of the text's tokens,
    teacher-forced, and of any token that ends a turn. The tokens are those that the tokenizer
    gives it behind the prompt; of texts with the same tokens the last has the probability. Every
    prompt is computed once, and the texts behind its cache, what several begin with once.

    Args:
        chat: The base model.
        prompts: One chat per question.
        texts: The answers.
        adapter: Folder of an adapter; None for the base.

    Returns:
        `[question, text]`.
    """
    # Behind a header no answer depends on the question, so one tokenisation serves all.
    forms = answer_forms(chat, prompts[0], texts)
    tree = prefix_tree(list(forms))
    found = np.zeros((len(prompts), len(texts)))
    with activated(chat, adapter) as model, torch.no_grad():
        fused = FusedModel.of(model)
        for question, messages in enumerate(prompts):
            ids = prompt_ids(chat, messages)
            steps, ends = prefix_log_probabilities(
                model, fused, ids, tree, chat.end_ids, n_layers=chat.n_layers
            )
            whole = (steps + ends)[tree.ends].exp()
            found[question, list(forms.values())] = whole.cpu().numpy()
    return found
