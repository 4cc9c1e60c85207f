"""Which way raises a trait: the gradient of its answer's log-probability on its questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from undertow.errors import UserError
from undertow.measure import text_probabilities
from undertow.measure.forms import answer_texts
from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.factors import Factors, fresh_factors
from undertow.mechanism.prediction.gradients import grouped_gradients
from undertow.models import ChatModel, encode_completion, prompt_ids, prompt_messages
from undertow.training.example import Example
from undertow.traits import Trait


@dataclass(frozen=True, eq=False)
class Directions:
    """What raises each trait at the cost of the others.

    Attributes:
        traits: Their names.
        vectors: `[trait, parameter]`, of length 1 each.
        factors: The adapter whose B the vectors are.
    """

    traits: tuple[str, ...]
    vectors: Tensor
    factors: Factors

    def of(self, names: Sequence[str]) -> Directions:
        """Return those of some traits, in that order.

        Raises:
            UserError: A trait has none.
        """
        check_compared(names, self.traits)
        places = [self.traits.index(name) for name in names]
        return Directions(tuple(names), self.vectors[places], self.factors)

    def along(self, gradients: Tensor) -> Tensor:
        """Return inner products with the vectors, layer by layer, `[row, trait, layer]`.

        Args:
            gradients: `[row, parameter]`.
        """
        sizes = self.factors.layer_sizes
        parts = zip(gradients.split(sizes, dim=1), self.vectors.split(sizes, dim=1), strict=True)
        return torch.stack([mine @ theirs.mT for mine, theirs in parts], dim=-1)


def trait_directions(
    chat: ChatModel, traits: Sequence[Trait], config: PredictionConfig
) -> Directions:
    """Return the direction of each trait, centred over the traits.

    The gradient of log P(answer), summed over the questions, less the mean of all traits'
    gradients: what they share (giving an answer of the kind at all) tells none from another.
    P(answer) is the sum over its surface forms (`measure.forms`), so a form's gradient counts by
    its share of it; the form ends as the template ends a turn.

    Args:
        chat: The base model.
        traits: Two or more, with the same questions.
        config: Adapter, least share of a form, size of batches.

    Raises:
        UserError: There are fewer than two traits, one comes twice, or the questions differ.
    """
    _check(traits)
    factors = fresh_factors(chat.model, config.rank, config.seed)
    examples, owners = _answers(chat, traits, config.least_share)
    gradients = grouped_gradients(chat, factors, examples, owners, len(traits), config)
    centred = gradients - gradients.mean(0)
    vectors = centred / torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    return Directions(tuple(trait.name for trait in traits), vectors, factors)


def check_compared(names: Sequence[str], traits: Sequence[str]) -> None:
    """Refuse a trait that is not among those that are compared.

    Raises:
        UserError: There is one.
    """
    if absent := [name for name in names if name not in traits]:
        raise UserError(
            f"the trait '{absent[0]}' is not compared",
            fix=f"use some of {', '.join(traits)}",
        )


def _answers(
    chat: ChatModel, traits: Sequence[Trait], least_share: float
) -> tuple[list[Example], list[int]]:
    """Return an example per question and form, weighted by its share, and the trait of each."""
    texts = answer_texts(traits)
    chats = [prompt_messages(question) for question in traits[0].questions]
    found = torch.from_numpy(text_probabilities(chat, chats, list(texts)))
    owners = torch.tensor(list(texts.values()))
    whole = torch.zeros(len(chats), len(traits), dtype=found.dtype).index_add_(1, owners, found)
    shares = found / whole[:, owners]
    examples: list[Example] = []
    kept_owners: list[int] = []
    for question, form in (shares > least_share).nonzero().tolist():
        messages = chats[question]
        prompt = prompt_ids(chat, messages)
        answer = encode_completion(chat, messages, list(texts)[form])
        weights = [*[0.0] * len(prompt), *[float(shares[question, form])] * len(answer)]
        examples.append(Example([*prompt, *answer], weights))
        kept_owners.append(int(owners[form]))
    return examples, kept_owners


def _check(traits: Sequence[Trait]) -> None:
    """Refuse traits that cannot be compared."""
    names = [trait.name for trait in traits]
    if len(set(names)) < max(2, len(names)):
        raise UserError(
            "a prediction compares two or more different traits",
            where=", ".join(names),
            fix="name each once, or leave the choice to the category",
        )
    if len({trait.questions for trait in traits}) > 1:
        raise UserError(
            "traits that are compared need the same questions",
            where=", ".join(names),
            fix="name traits of one category",
        )
