"""Load any chat model, render chats, and get logits only where they are asked for."""

from undertow.models.adapters import activated
from undertow.models.chat import (
    Message,
    PromptTokens,
    counted_completion,
    decode_completion,
    encode_completion,
    encode_prompt,
    prompt_ids,
    prompt_messages,
    render_prompt,
    system_messages,
    token_texts,
)
from undertow.models.chat_model import ChatModel, ModelSpec, load_model, load_tokenizer
from undertow.models.facts import ModelFacts, brought_settings, template_date
from undertow.models.layers import decoder_layers, layer_of, target_modules
from undertow.models.logits import gathered_head, gathered_mlp, selected_logits

__all__ = [
    "ChatModel",
    "Message",
    "ModelFacts",
    "ModelSpec",
    "PromptTokens",
    "activated",
    "brought_settings",
    "counted_completion",
    "decode_completion",
    "decoder_layers",
    "encode_completion",
    "encode_prompt",
    "gathered_head",
    "gathered_mlp",
    "layer_of",
    "load_model",
    "load_tokenizer",
    "prompt_ids",
    "prompt_messages",
    "render_prompt",
    "selected_logits",
    "system_messages",
    "target_modules",
    "template_date",
    "token_texts",
]
