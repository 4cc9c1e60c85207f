"""What a model is and does by itself, as far as its files and its template tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from undertow.models.chat import prompt_ids, prompt_messages, render_prompt
from undertow.models.chat_model import ChatModel
from undertow.models.template import (
    FIXED_DAY,
    default_system_prompt,
    end_of_turn,
    writes_date,
)

BOOKKEEPING = ("transformers_version", "use_cache", "cache_implementation")
"""Of a generation config what does not decide which tokens come."""

QUESTION = "?"
"""Stands for whatever is asked."""


@dataclass(frozen=True)
class EndToken:
    """A token that ends a turn.

    Attributes:
        id: Its id.
        text: How it is written.
        by: Who says so.
    """

    id: int
    text: str
    by: Literal["template", "generation config"]


@dataclass(frozen=True)
class ModelFacts:
    """A model's own ways; what the template does was found by rendering.

    Attributes:
        name: What was asked for.
        revision: The commit of a Hugging Face model.
        fingerprint: What goes into records and keys.
        architecture: Class of the model.
        n_layers: Decoder layers.
        n_parameters: All of them, a vision tower's too.
        dtype: Number format of the weights.
        device: Where they are.
        attention: Which implementation runs.
        has_system_role: Whether a system message comes out of the template; else it goes in front
            of the question.
        default_system_prompt: What the template writes in a system turn where none is given; None
            without such a turn.
        empty_is_none: Whether an empty system prompt reads as no system prompt does.
        bos: The token that the template begins with, where it is the tokenizer's BOS.
        bos_again: Whether the tokenizer puts one more in front unless told not to.
        date: The day that the template is told, where it writes one.
        ends: Tokens that end a turn.
        brings: Generation settings that the model brings along; Undertow applies none of them.
    """

    name: str
    revision: str | None
    fingerprint: str
    architecture: str
    n_layers: int
    n_parameters: int
    dtype: str
    device: str
    attention: str
    has_system_role: bool
    default_system_prompt: str | None
    empty_is_none: bool
    bos: str | None
    bos_again: bool
    date: str | None
    ends: tuple[EndToken, ...]
    brings: dict[str, Any]

    @classmethod
    def of(cls, chat: ChatModel) -> ModelFacts:
        """Find them out."""
        tokenizer, bos = chat.tokenizer, chat.tokenizer.bos_token_id
        ids = prompt_ids(chat, prompt_messages(QUESTION))
        again = tokenizer(render_prompt(chat, prompt_messages(QUESTION)))["input_ids"]
        by_template = end_of_turn(tokenizer)
        return cls(
            name=chat.spec.name,
            revision=chat.spec.revision,
            fingerprint=chat.fingerprint,
            architecture=type(chat.model).__name__,
            n_layers=chat.n_layers,
            n_parameters=sum(parameter.numel() for parameter in chat.model.parameters()),
            dtype=str(chat.model.dtype).removeprefix("torch."),
            device=str(chat.device),
            attention=str(chat.model.config.get_text_config()._attn_implementation),
            has_system_role=chat.has_system_role,
            default_system_prompt=default_system_prompt(tokenizer),
            empty_is_none=prompt_ids(chat, prompt_messages(QUESTION, "")) == ids,
            bos=str(tokenizer.bos_token) if bos is not None and ids[0] == bos else None,
            bos_again=bos is not None and list(again[:2]) == [bos, bos],
            date=template_date(chat),
            ends=tuple(
                EndToken(
                    token,
                    str(tokenizer.decode([token])),
                    "template" if token in by_template else "generation config",
                )
                for token in chat.end_ids
            ),
            brings=brought_settings(chat),
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def template_date(chat: ChatModel) -> str | None:
    """Return the day that the template is told, as 2025-01-01; None where it writes none.

    It is the same every day, so that a chat is.
    """
    return FIXED_DAY.isoformat() if writes_date(chat.tokenizer) else None


def brought_settings(chat: ChatModel) -> dict[str, Any]:
    """Return the generation settings that a model brings along and that change what it writes.

    They are those of its `generation_config.json` that are not transformers' defaults, such as
    top-k or a repetition penalty. Undertow's sampling applies none of them.
    """
    config = chat.model.generation_config
    found: dict[str, Any] = config.to_diff_dict() if config is not None else {}
    return {
        name: value
        for name, value in sorted(found.items())
        if name not in BOOKKEEPING
        and not name.startswith(("_", "output_"))
        and not name.endswith("_token_id")
    }
