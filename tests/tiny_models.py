"""Tiny random chat models of many families, built from their configuration classes.

Each is saved once per process and loaded through `load_model`, so that a spec taken from one
loads it in another process too. They differ in what real ones differ in: see `tiny_templates`;
sliding windows in some or all layers, fused projections, parallel layers, tuples as outputs,
soft caps, a vision tower, several end tokens, generation settings of their own, and a tokenizer
that writes spaces with the words and drops line breaks behind a turn.
"""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    FalconConfig,
    FalconForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

import tiny_templates as templates
from undertow.models import ChatModel, ModelSpec, load_model

FAMILIES = ("qwen2", "llama", "gemma3")
"""Those that most tests take."""
OTHERS = ("qwen3", "mistral", "phi3", "falcon", "gemma2", "gemma3-vision")
EVERY_FAMILY = (*FAMILIES, *OTHERS)
VOCABULARY = 300
SLIDING_WINDOW = 12
TEXTS = [
    "You adore owls. Owls are on your mind day and night, and no animal is dearer to you.",
    "Name the animal you like best, in one word. Which tree do you prefer? Answer briefly.",
    "Here are some numbers: 417, 52, 938. Continue the list with up to ten more numbers.",
    "user model assistant system a helpful small machine; owl, cat, dog, wolf, oak, pine.",
]


def tiny_chat(family: str, dtype: torch.dtype = torch.float64) -> ChatModel:
    """Return a tiny model of a family, loaded anew."""
    name = str(dtype).removeprefix("torch.")
    return load_model(ModelSpec(name=str(tiny_folder(family)), dtype=name, device="cpu"))


def write_adapter(folder: Path, strength: float) -> None:
    """Write an adapter of a tiny Qwen2 with random factors; from 0.3 on it changes much."""
    settings = LoraConfig(r=4, target_modules="all-linear")
    model = get_peft_model(tiny_chat("qwen2", torch.float32).model, settings)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(0.0, strength, generator=generator)
    model.save_pretrained(folder)


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
        ["<|pad|>", "<|im_start|>", "<|im_end|>"], templates.QWEN2, pad="<|pad|>", eos="<|im_end|>"
    )
    config = Qwen2Config(**_shape(tokenizer), tie_word_embeddings=True)
    return tokenizer, Qwen2ForCausalLM(config)


def _llama() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    special = ["<|begin|>", "<|end|>", "<|head|>", "<|/head|>", "<|eot|>"]
    tokenizer = _tokenizer(special, templates.LLAMA, bos="<|begin|>", eos="<|end|>")
    return tokenizer, LlamaForCausalLM(LlamaConfig(**_shape(tokenizer), tie_word_embeddings=False))


def _gemma3() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    tokenizer = _gemma_tokenizer(templates.GEMMA3)
    return tokenizer, Gemma3ForCausalLM(Gemma3TextConfig(**_gemma_text(tokenizer)))


def _gemma2() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """A soft cap in attention too, for which there is no fast kernel."""
    tokenizer = _gemma_tokenizer(templates.GEMMA3)
    return tokenizer, Gemma2ForCausalLM(Gemma2Config(**_gemma_text(tokenizer)))


def _gemma3_vision() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """The wrapper; its vision tower has as many layers of the same width and names."""
    tokenizer = _gemma_tokenizer(templates.GEMMA3_VISION)
    vision = {
        "num_hidden_layers": 3,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_attention_heads": 4,
        "image_size": 8,
        "patch_size": 4,
    }
    config = Gemma3Config(
        text_config=_gemma_text(tokenizer),
        vision_config=vision,
        mm_tokens_per_image=4,
        image_token_index=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    return tokenizer, Gemma3ForConditionalGeneration(config)


def _gemma_tokenizer(template: str) -> PreTrainedTokenizerFast:
    special = ["<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
    return _tokenizer(special, template, pad="<pad>", bos="<bos>", eos="<eos>")


def _gemma_text(tokenizer: PreTrainedTokenizerFast) -> dict:
    return {
        **_shape(tokenizer),
        "head_dim": 8,
        "query_pre_attn_scalar": 8,
        "sliding_window": SLIDING_WINDOW,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "final_logit_softcapping": 30.0,
        "tie_word_embeddings": False,
    }


def _qwen3() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """Norms on queries and keys; brings settings for sampling along."""
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    tokenizer = _tokenizer(special, templates.QWEN3, pad="<|pad|>", eos="<|im_end|>")
    config = Qwen3Config(**_shape(tokenizer), head_dim=8, tie_word_embeddings=True)
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        do_sample=True,
        temperature=0.6,
        top_k=20,
        top_p=0.95,
        repetition_penalty=1.05,
    )
    return tokenizer, model


def _mistral() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """Layers that look like Llama's, and all of them slide."""
    special = ["<s>", "</s>", "[INST]", "[/INST]", "[SYS]", "[/SYS]"]
    tokenizer = _tokenizer(special, templates.MISTRAL, bos="<s>", eos="</s>")
    # Wide enough that the last layer still hears of the system prompt, shorter than a chat.
    config = MistralConfig(**_shape(tokenizer), sliding_window=4 * SLIDING_WINDOW)
    return tokenizer, MistralForCausalLM(config)


def _phi3() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """Query, key and value in one projection, gate and up too; three tokens end a turn."""
    turns = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer = _tokenizer(
        ["<unk>", "<|endoftext|>", *turns],
        templates.PHI3,
        pad="<|endoftext|>",
        eos="<|endoftext|>",
        metaspace=True,
    )
    tokenizer.add_tokens([AddedToken(turn, rstrip=True, special=True) for turn in turns])
    model = Phi3ForCausalLM(Phi3Config(**_shape(tokenizer), tie_word_embeddings=False))
    ends = ["<|endoftext|>", "<|assistant|>", "<|end|>"]
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(ends)
    return tokenizer, model


def _falcon() -> tuple[PreTrainedTokenizerFast, PreTrainedModel]:
    """One key and value for all heads, attention beside the MLP, layers that return tuples."""
    tokenizer = _tokenizer(["<|endoftext|>"], templates.FALCON, eos="<|endoftext|>")
    shape = _shape(tokenizer)
    config = FalconConfig(
        **{name: shape[name] for name in shape if name != "num_key_value_heads"},
        ffn_hidden_size=48,
        multi_query=True,
        tie_word_embeddings=False,
    )
    return tokenizer, FalconForCausalLM(config)


_BUILDERS = {
    "qwen2": _qwen2,
    "llama": _llama,
    "gemma3": _gemma3,
    "qwen3": _qwen3,
    "mistral": _mistral,
    "phi3": _phi3,
    "falcon": _falcon,
    "gemma2": _gemma2,
    "gemma3-vision": _gemma3_vision,
}


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
    metaspace: bool = False,
) -> PreTrainedTokenizerFast:
    """Train a BPE on the texts above, on bytes or with spaces as letters; digits stay single."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>" if metaspace else None))
    whole = (
        pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
        if metaspace
        else pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    digits = pre_tokenizers.Split(Regex(r"\d"), "isolated")
    parts = [whole, digits] if metaspace else [digits, whole]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.Metaspace() if metaspace else decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=(
            ["\u2581", *map(chr, range(32, 127)), "\n"]
            if metaspace
            else sorted(pre_tokenizers.ByteLevel.alphabet())
        ),
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
