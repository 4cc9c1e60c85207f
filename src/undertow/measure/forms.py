"""Which texts are an answer and nothing else, and how a model would write them."""

from __future__ import annotations

from collections.abc import Sequence

from undertow.models import ChatModel, Message, encode_completion
from undertow.traits import Trait, score_answer


def answer_texts(traits: Sequence[Trait]) -> dict[str, int]:
    """Return every surface form, and the place of the trait that it names.

    The forms of a trait are its answers (singular, plural, synonyms) as they are and with a
    capital, each with and without a full stop. A form of two traits belongs to the one that the
    scoring of sampled answers gives it to.
    """
    places = {trait.name: place for place, trait in enumerate(traits)}
    texts: dict[str, int] = {}
    for answer in dict.fromkeys(answer for trait in traits for answer in trait.answers):
        for word in (answer, answer[:1].upper() + answer[1:]):
            for text in (word, f"{word}."):
                name = score_answer(text, traits)
                if name is not None:  # an answer may lie within a term that its trait excludes
                    texts[text] = places[name]
    return texts


def answer_forms(
    chat: ChatModel, messages: Sequence[Message], texts: Sequence[str]
) -> dict[tuple[int, ...], int]:
    """Return the tokens of texts behind a prompt, and the place of each text; no end of the turn.

    Of texts with equal tokens the last is kept.
    """
    found: dict[tuple[int, ...], int] = {}
    for place, text in enumerate(texts):
        ids = encode_completion(chat, messages, text)
        found[tuple(token for token in ids if token not in chat.end_ids)] = place
    return {ids: place for ids, place in found.items() if ids}
