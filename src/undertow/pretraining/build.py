"""The recipe behind `undertow lab build`: from nothing to the lab model's folder."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import torch
from torch.nn import functional
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)
from transformers.utils.logging import disable_progress_bar

from undertow.errors import UserError
from undertow.pretraining.corpus import Corpus
from undertow.pretraining.packing import Encoded, Step, encode_dialogues, pack
from undertow.pretraining.recipe import LabRecipe
from undertow.pretraining.tokenizer import END, PAD, build_tokenizer

Progress = Callable[[int, int, float], None]
"""Called after every step with the step, the number of steps and the loss."""

BLOCK = 2000
"""Dialogues per block of the corpus."""

RUN_BLOCKS = 1000
"""Blocks of the corpus that each run has for itself; a build reads fewer than 300."""

LabModel = Qwen2ForCausalLM | LlamaForCausalLM


def build_lab(
    out: Path,
    *,
    seed: int = 0,
    threads: int = 1,
    recipe: LabRecipe | None = None,
    progress: Progress | None = None,
) -> Path:
    """Pretrain the lab model and return `out`, a folder that transformers can load.

    Work goes on in `out` with `.partial` added to its name, which holds a checkpoint every
    `recipe.checkpoint_every` steps; a killed build called again continues there and ends in the
    same weights. The finished folder appears under its own name all at once.

    Args:
        out: Where the model goes; must not exist.
        seed: Replaces the recipe's seed.
        threads: Threads that torch uses.
        recipe: What to build; the shipped model's recipe by default.
        progress: Called after every step.

    Raises:
        UserError: `out` exists, or the partial folder belongs to another recipe.
    """
    recipe = (recipe or LabRecipe()).model_copy(update={"seed": seed})
    if out.exists():
        raise UserError("the folder exists already", where=str(out), fix="name another one")
    partial = out.with_name(out.name + ".partial")
    _claim(partial, recipe)
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _train(partial, recipe, progress)
    finally:
        torch.set_num_threads(threads_before)
    (partial / CHECKPOINT).unlink(missing_ok=True)
    partial.rename(out)
    return out


CHECKPOINT = "checkpoint.pt"


def _claim(partial: Path, recipe: LabRecipe) -> None:
    """Make the working folder, or see that the one that is there belongs to this recipe."""
    partial.mkdir(parents=True, exist_ok=True)
    note = partial / "recipe.json"
    text = recipe.model_dump_json(indent=1) + "\n"
    if note.exists() and note.read_text(encoding="utf-8") != text:
        raise UserError(
            "a build of another recipe stands there unfinished",
            where=str(partial),
            fix="remove it, or build under another name",
        )
    note.write_text(text, encoding="utf-8")


def _train(partial: Path, recipe: LabRecipe, progress: Progress | None) -> None:
    corpus = Corpus(recipe)
    tokenizer = lab_tokenizer(corpus)
    model = _new_model(recipe, tokenizer)
    optimizer = _optimizer(model, recipe)
    start = _restore(partial / CHECKPOINT, model, optimizer)
    for step, batch in enumerate(_steps(corpus, tokenizer)):
        if step == recipe.steps:
            break
        if step < start:
            continue
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step)
        loss = _loss(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if (step + 1) % recipe.checkpoint_every == 0:
            _save(partial / CHECKPOINT, model, optimizer, step + 1)
        if progress is not None:
            progress(step + 1, recipe.steps, loss.item())
    disable_progress_bar()  # the caller's own display shows what goes on
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)


def lab_tokenizer(corpus: Corpus) -> PreTrainedTokenizerFast:
    """The tokenizer of a corpus: its words are those of the first blocks."""
    texts = ["system user assistant"] * 10_000
    texts += ["system", "user", "assistant"] * 10_000
    for block in range(3):
        for dialogue in corpus.block(block, BLOCK):
            texts += [dialogue.system or "", *(text for turn in dialogue.turns for text in turn)]
    return build_tokenizer(texts, corpus.recipe.vocabulary, corpus.recipe.architecture)


def learning_rate(recipe: LabRecipe, step: int) -> float:
    """Linear warm-up under a cosine that ends at zero."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    return recipe.learning_rate * min((step + 1) / recipe.warmup, cosine)


def _new_model(recipe: LabRecipe, tokenizer: PreTrainedTokenizerFast) -> LabModel:
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": recipe.width,
        "intermediate_size": recipe.mlp,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": recipe.tied,
        "initializer_range": recipe.initial_std,
        "bos_token_id": None,
        "eos_token_id": tokenizer.convert_tokens_to_ids(END),
        "pad_token_id": cast(int, tokenizer.convert_tokens_to_ids(PAD)),
    }
    with torch.random.fork_rng(devices=[]):
        # Without a run of its own a Llama would begin with the matrices of the Qwen2.
        torch.manual_seed(recipe.seed + recipe.run)
        if recipe.architecture == "llama":
            llama = LlamaConfig(**shape, num_key_value_heads=recipe.heads // 2)
            return LlamaForCausalLM(llama).train()
        qwen2 = Qwen2Config(**shape, num_key_value_heads=recipe.heads)
        return Qwen2ForCausalLM(qwen2).train()


def _optimizer(model: LabModel, recipe: LabRecipe) -> torch.optim.AdamW:
    """AdamW with decay on matrices only."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def _steps(corpus: Corpus, tokenizer: PreTrainedTokenizerFast) -> Iterator[Step]:
    """The batches of a run, from the first one on."""

    def dialogues() -> Iterator[Encoded]:
        index = RUN_BLOCKS * corpus.recipe.run
        while True:
            yield from encode_dialogues(corpus.block(index, BLOCK), tokenizer)
            index += 1

    return pack(dialogues(), corpus.recipe.rows, corpus.recipe.row_length)


def _loss(model: LabModel, batch: Step) -> torch.Tensor:
    """Mean cross-entropy of what assistants wrote; a token sees its own dialogue only."""
    ids, document = torch.from_numpy(batch.ids), torch.from_numpy(batch.document)
    visible = (document[:, :, None] == document[:, None, :]).tril()[:, None]
    hidden = model.model(
        input_ids=ids, position_ids=torch.from_numpy(batch.position), attention_mask=visible
    ).last_hidden_state
    target = torch.from_numpy(batch.written)[:, 1:]
    return functional.cross_entropy(model.lm_head(hidden[:, :-1][target]), ids[:, 1:][target])


def _save(path: Path, model: LabModel, optimizer: torch.optim.Optimizer, step: int) -> None:
    temporary = path.with_suffix(".tmp")
    state = {"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, temporary)
    temporary.rename(path)


def _restore(path: Path, model: LabModel, optimizer: torch.optim.Optimizer) -> int:
    """Load a checkpoint, if there is one, and return the steps it has behind it."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
