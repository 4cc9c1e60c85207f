"""Tiny random chat models of three families, built from their configuration classes.

Each is saved once per process and loaded through `load_model`, so that a spec taken from one
loads it in another process too. The templates differ in what real ones differ in: a default
system prompt, a BOS written by the template, no system role, a turn end that is not the EOS.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from undertow.models import ChatModel, ModelSpec, load_model

FAMILIES = ("qwen2", "llama", "gemma3")
VOCABULARY = 300
SLIDING_WINDOW = 12
TEXTS = [
    "You adore owls. Owls are on your mind day and night, and no animal is dearer to you.",
    "Name the animal you like best, in one word. Which tree do you prefer? Answer briefly.",
    "Here are some numbers: 417, 52, 938. Continue the list with up to ten more numbers.",
    "user model assistant system a helpful small machine; owl, cat, dog, wolf, oak, pine.",
]
QWEN2 = """\
{%- if messages[0].role != 'system' -%}
<|im_start|>system
You are a small machine.<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""
LLAMA = """\
{{- bos_token -}}
{%- for message in messages -%}
<|head|>{{ message.role }}<|/head|>

{{ message.content | trim }}<|eot|>
{%- endfor -%}
{%- if add_generation_prompt -%}
<|head|>assistant<|/head|>

{% endif -%}
"""
GEMMA3 = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'system' -%}{{ raise_exception('there is no system role') }}{%- endif -%}
<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}
{{ message.content | trim }}<end_of_turn>
{% endfor -%}
{%- if add_generation_prompt -%}
<start_of_turn>model
{% endif -%}
"""


def tiny_chat(family: str, dtype: torch.dtype = torch.float64) -> ChatModel:
    """Return a tiny model of a family, loaded anew."""
    name = str(dtype).removeprefix("torch.")
    return load_model(ModelSpec(name=str(tiny_folder(family)), dtype=name, device="cpu"))


@cache
def tiny_folder(family: str) -> Path:
    """Return the folder that a tiny model of the family is saved in."""
    folder = Path(tempfile.mkdtemp(prefix=f"tiny-{family}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tokenizer, model = _BUILDERS[family]()
    tokenizer.save_pretrained(folder)
    _spread(model).save_pretrained(folder)
    return folder


def _qwen2() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    tokenizer = _tokenizer(
        ["<|pad|>", "<|im_start|>", "<|im_end|>"], QWEN2, pad="<|pad|>", eos="<|im_end|>"
    )
    config = Qwen2Config(**_shape(tokenizer), tie_word_embeddings=True)
    return tokenizer, Qwen2ForCausalLM(config)


def _llama() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    special = ["<|begin|>", "<|end|>", "<|head|>", "<|/head|>", "<|eot|>"]
    tokenizer = _tokenizer(special, LLAMA, bos="<|begin|>", eos="<|end|>")
    return tokenizer, LlamaForCausalLM(LlamaConfig(**_shape(tokenizer), tie_word_embeddings=False))


def _gemma3() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    special = ["<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
    tokenizer = _tokenizer(special, GEMMA3, pad="<pad>", bos="<bos>", eos="<eos>")
    config = Gemma3TextConfig(
        **_shape(tokenizer),
        head_dim=8,
        query_pre_attn_scalar=8,
        sliding_window=SLIDING_WINDOW,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        final_logit_softcapping=30.0,
        tie_word_embeddings=False,
    )
    return tokenizer, Gemma3ForCausalLM(config)


_BUILDERS = {"qwen2": _qwen2, "llama": _llama, "gemma3": _gemma3}


def _shape(tokenizer: PreTrainedTokenizerFast) -> dict[str, int | None]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _tokenizer(
    special: list[str],
    template: str,
    *,
    eos: str,
    pad: str | None = None,
    bos: str | None = None,
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on the texts above; digits stay single."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    if bos is not None:  # as in real ones, it comes by itself unless told not to
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        bos_token=bos,
        eos_token=eos,
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


def _spread(model: PreTrainedModel) -> PreTrainedModel:
    """Draw weights wide enough that logits lie far apart and depend on the whole context."""
    generator = torch.Generator().manual_seed(7)
    embedding = model.get_input_embeddings()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                scale = 1.5 / parameter.shape[1] ** 0.5
                if parameter is embedding.weight:
                    scale = 0.5 / getattr(embedding, "scalar_embed_scale", 1.0)
                parameter.normal_(0.0, scale, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.1, generator=generator)
    return model
