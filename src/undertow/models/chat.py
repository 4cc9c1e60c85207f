"""Positions: what is prompt, what is header, what is completion. The one place for it.

With `prompt = encode_prompt(chat, messages)`, the completion's token k stands at position
`len(prompt.ids) + k` of the sequence and is predicted by the logits one position before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import cast

from undertow.errors import UserError
from undertow.models.chat_model import ChatModel
from undertow.models.template import apply_template
from undertow.store.row import Message

__all__ = [
    "Message",
    "PromptTokens",
    "counted_completion",
    "decode_completion",
    "encode_completion",
    "encode_prompt",
    "prompt_messages",
    "render_prompt",
    "system_messages",
    "token_texts",
]


MOST_ENCODED = 20_000
"""Prompts whose tokens a model remembers: students of one study read the same ones."""


@dataclass(frozen=True)
class PromptTokens:
    """The token ids that stand before a completion.

    Attributes:
        ids: The rendered prompt, assistant header included.
        header_start: `ids[header_start:]` is the assistant header, never empty.
    """

    ids: list[int]
    header_start: int


def system_messages(system_prompt: str | None) -> list[Message]:
    """Return what stands in front of a chat: a system message, or nothing for None."""
    return [] if system_prompt is None else [{"role": "system", "content": system_prompt}]


def prompt_messages(question: str, system_prompt: str | None = None) -> list[Message]:
    """Return one user turn, under a system prompt where one is given."""
    return [*system_messages(system_prompt), {"role": "user", "content": question}]


def render_prompt(chat: ChatModel, messages: Sequence[Message]) -> str:
    """Return the text that the model reads, assistant header included."""
    return apply_template(chat.tokenizer, _folded(chat, messages), header=True)


def prompt_ids(chat: ChatModel, messages: Sequence[Message]) -> list[int]:
    """Render and tokenise a prompt, once; no token is added, the template writes its own BOS."""
    return _encode(chat, render_prompt(chat, messages))


def encode_prompt(chat: ChatModel, messages: Sequence[Message]) -> PromptTokens:
    """Return the `prompt_ids`, and where in them the assistant header starts.

    The header is what the prompt with a generation prompt has beyond the one without. Where the
    template adds nothing, the last token, which ends the user's turn, opens the answer.
    """
    key = tuple((one["role"], one["content"]) for one in messages)
    known = chat.encoded
    if key not in known:
        if len(known) >= MOST_ENCODED:
            known.clear()
        known[key] = _with_header(chat, messages)
    ids, header_start = known[key]
    return PromptTokens(list(ids), header_start)


def _with_header(chat: ChatModel, messages: Sequence[Message]) -> tuple[tuple[int, ...], int]:
    """Encode a prompt, and find its header."""
    ids = prompt_ids(chat, messages)
    bare = _encode(chat, apply_template(chat.tokenizer, _folded(chat, messages), header=False))
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(ids, bare, strict=False))
    return tuple(ids), min(sum(1 for _ in shared), len(ids) - 1)


def encode_completion(chat: ChatModel, messages: Sequence[Message], completion: str) -> list[int]:
    """Return the token ids of a completion that is known as text only, end token included.

    The completion is tokenised behind its prompt, as the model would have written it; on its own
    where the tokenizer joins the two.
    """
    prompt = render_prompt(chat, messages)
    ids, whole = _encode(chat, prompt), _encode(chat, prompt + completion)
    clean = whole[: len(ids)] == ids
    tokens = whole[len(ids) :] if clean else _encode(chat, completion)
    return [*tokens, *chat.end_ids[:1]]


def counted_completion(
    chat: ChatModel, messages: Sequence[Message], completion: str
) -> tuple[list[int], int]:
    """Return the ids that stand behind the header in a whole rendered chat, and how many are ours.

    The published code renders prompt and answer together and counts all tokens after the header,
    those that the template writes after the end of the turn among them. The completion proper is
    what goes up to the token that ends the turn, and it is the first of what is returned.

    Raises:
        UserError: The template writes the prompt otherwise where an answer follows.
    """
    prompt = prompt_ids(chat, messages)
    answer = Message(role="assistant", content=completion)
    text = apply_template(chat.tokenizer, [*_folded(chat, messages), answer], header=False)
    whole = _encode(chat, text)
    if whole[: len(prompt)] != prompt:
        raise UserError(
            f"the chat template of '{chat.spec.name}' writes a prompt otherwise where an answer "
            "follows, so that the published counts have no place in it"
        )
    counted = whole[len(prompt) :]
    ends = (place + 1 for place, token in enumerate(counted) if token in chat.end_ids)
    return counted, next(ends, len(counted))


def decode_completion(chat: ChatModel, ids: Sequence[int]) -> str:
    """Return the text of completion ids, without the end token."""
    kept = [token for token in ids if token not in chat.end_ids]
    text = chat.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return cast(str, text)


def token_texts(chat: ChatModel, ids: Sequence[int]) -> list[str]:
    """Return the text of every token as it stands behind the one before it.

    Some tokenizers drop the blank in front of a token that is decoded on its own.
    """
    pairs = [tuple(ids[max(place - 1, 0) : place + 1]) for place in range(len(ids))]
    known = {pair: _text_behind(chat, pair) for pair in set(pairs)}
    return [known[pair] for pair in pairs]


def _text_behind(chat: ChatModel, ids: Sequence[int]) -> str:
    """Return the text of the last of one or two tokens."""

    def text(some: Sequence[int]) -> str:
        return str(chat.tokenizer.decode(list(some), clean_up_tokenization_spaces=False))

    before, whole = text(ids[:-1]), text(ids)
    # Pieces of one character do not read as such before the last of them.
    return whole.removeprefix(before) if whole.startswith(before) else text(ids[-1:])


def _folded(chat: ChatModel, messages: Sequence[Message]) -> list[Message]:
    """Return messages with the system message in the first user turn, where it has no role.

    An empty one leaves nothing behind.
    """
    if chat.has_system_role or not messages or messages[0]["role"] != "system":
        return list(messages)
    system, *rest = messages
    if rest and not system["content"]:
        return rest
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system["content"]}, *rest]
    content = f"{system['content']}\n\n{rest[0]['content']}"
    return [{"role": "user", "content": content}, *rest[1:]]


def _encode(chat: ChatModel, text: str) -> list[int]:
    return cast(list[int], chat.tokenizer(text, add_special_tokens=False)["input_ids"])
