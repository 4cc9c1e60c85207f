"""How to fine-tune: every choice that changes the result, and a few that change only the speed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen


class TrainConfig(Frozen):
    """A fine-tuning run; the defaults are those of the paper, but for the size of micro-batches.

    Source: the authors' commands (LoRA r = alpha = 8 on all projections, AdamW 2e-4, linear to
    zero after five steps, clip at 1, ten epochs of batches of 60).
    """

    method: Literal["lora", "full"] = Field(
        default="lora", description="lora: a peft adapter; full: the weights themselves."
    )
    rank: int = Field(default=8, ge=1, description="Rank of the adapter.")
    alpha: float = Field(
        default=8.0, gt=0, description="Adapter scale: its output is times alpha / rank."
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout before the adapter.")
    layers: list[int] | None = Field(
        default=None,
        description="Decoder layers to train, counted from 0; none: all (full: everything).",
    )
    targets: list[str] | None = Field(
        default=None,
        description="Projections to adapt, by last name (q_proj, ...); none: all of them.",
    )
    optimizer: Literal["adamw", "sgd"] = Field(
        default="adamw", description="Optimiser; sgd is plain."
    )
    learning_rate: float = Field(default=2e-4, gt=0, description="Highest learning rate.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        default="linear", description="What follows the warm-up; linear and cosine end at zero."
    )
    warmup_steps: int = Field(
        default=5, ge=0, description="Steps in which the rate grows from zero."
    )
    epochs: int = Field(default=10, ge=1, description="Passes over the rows.")
    batch_size: int = Field(default=60, ge=1, description="Rows of one optimiser step.")
    micro_batch_size: int = Field(
        default=32, ge=1, description="Rows computed at once; changes memory and speed only."
    )
    max_grad_norm: float | None = Field(
        default=1.0, gt=0, description="Gradient norm to clip at, or none."
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="Decoupled weight decay (adamw), L2 (sgd)."
    )
    seed_init: int = Field(default=0, ge=0, description="Seed of the adapter's first weights.")
    seed_order: int = Field(
        default=0, ge=0, description="Seed of the order of rows, and of dropout."
    )
    normalisation: Literal["token-mean", "fixed"] = Field(
        default="token-mean",
        description="Divisor of a step's summed loss: its weights' sum, or its rows' given budget.",
    )
    checkpoint_every: int = Field(
        default=50, ge=0, description="Steps between checkpoints; 0: none."
    )
    max_length: int = Field(default=4096, ge=2, description="Longest row allowed, tokens.")
