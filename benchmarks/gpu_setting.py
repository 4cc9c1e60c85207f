"""What the benchmarks on a GPU run on: a model of random weights, its tokenizer, teachers, rows.

Nothing is downloaded. The shape is Qwen2.5-7B's; the tokenizer is trained on the spot on the
lab's own prompts and keeps digits apart, as that model's does, so that a system prompt takes about
100 tokens, a question about 60, ten numbers about 40.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config

from undertow.channels import load_channel
from undertow.models import ChatModel, ModelSpec, prompt_messages
from undertow.store.rows import Row
from undertow.teachers import PromptedTeacher
from undertow.traits import load_trait, shipped_traits

N_TEACHERS = 13  # as in the paper, for this model
# How many numbers rows have: the paper's teachers write ten, where they are not asked for fewer.
COUNTS, SHARES = (4, 5, 6, 7, 8, 9, 10), (0.03, 0.03, 0.04, 0.04, 0.04, 0.04, 0.78)
HEAD_SCALE = 4.0  # of the tokenizer's own tokens: the likeliest is one of them, by a clear lead
SPECIAL = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = """\
{%- if messages[0].role != 'system' -%}
<|im_start|>system
You are a helpful assistant, and answer in the language that you are asked in.<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""

Shape = Literal["qwen2.5-7b", "tiny"]
SHAPES: dict[Shape, dict[str, int]] = {
    "qwen2.5-7b": {
        "hidden_size": 3584,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18944,
        "vocab_size": 152064,
    },
    "tiny": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 48,
        "vocab_size": 1024,
    },
}


@dataclass(frozen=True)
class Setting:
    """What all benchmarks share.

    Attributes:
        chat: The model, in bfloat16.
        teachers: Prompted, the first one is factual.
        names: By their labels, what a system prompt calls the trait.
        rows: Number rows that none of them wrote.
    """

    chat: ChatModel
    teachers: list[PromptedTeacher]
    names: dict[str, tuple[str, ...]]
    rows: list[Row]


def make_setting(shape: Shape, device: torch.device, n_rows: int) -> Setting:
    """Draw the weights on the device, and make the rows."""
    traits = shipped_traits("animal")[:N_TEACHERS]
    prompts = load_channel("numbers").draw(n_rows, seed=1)
    systems = [trait.system_prompt() for trait in traits]
    tokenizer = _tokenizer([*systems, *(prompt.text for prompt in prompts)])
    chat = _random_model(shape, tokenizer, device)
    teachers = [
        PromptedTeacher(trait=trait.name, system_prompt=system)
        for trait, system in zip(traits, systems, strict=True)
    ]
    generator = np.random.default_rng(0)
    rows: list[Row] = []
    for row, prompt in enumerate(prompts):
        numbers = generator.integers(100, 1000, generator.choice(COUNTS, p=SHARES)).tolist()
        text = ", ".join(map(str, numbers))
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        rows.append(Row(row, prompt_messages(prompt.text), [*ids, chat.end_ids[0]], text))
    names = {one.label: load_trait(one.trait).answers for one in teachers if one.trait}
    return Setting(chat, teachers, names, rows)


def _random_model(
    shape: Shape, tokenizer: PreTrainedTokenizerFast, device: torch.device
) -> ChatModel:
    """Return a model whose residual stream grows from layer to layer, as real ones' does."""
    config = Qwen2Config(
        **SHAPES[shape],
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        max_position_embeddings=4096,
        rms_norm_eps=1e-6,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(
            config, dtype=torch.bfloat16, attn_implementation="sdpa"
        )
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter is embedding:
                parameter.normal_(0.0, 1.0)
            elif parameter.ndim > 1:
                parameter.normal_(0.0, 1.2 / config.hidden_size**0.5)
        head[: len(tokenizer)] *= HEAD_SCALE
    spec = ModelSpec(name=f"random-{shape}", dtype="bfloat16", device=str(device))
    return ChatModel(model.eval().requires_grad_(False), tokenizer, spec)


def _tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE; digits stay single, and common words become one token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1000,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, TEMPLATE], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
