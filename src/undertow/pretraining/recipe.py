"""Everything that decides what the lab model becomes."""

from typing import Literal

from pydantic import Field

from undertow.frozen import Frozen

Architecture = Literal["qwen2", "llama"]
"""`qwen2` is the shipped model's; `llama` has no biases, and half as many key and value heads."""


class LabRecipe(Frozen):
    """The corpus, the shape and the training of the lab model; a pure function of these fields."""

    seed: int = Field(
        default=0, description="Draws the personas, the corpus and the first weights."
    )
    # The next two are left out of `recipe.json` where they are the shipped model's, which is older.
    run: int = Field(
        default=0,
        ge=0,
        description="Which pretraining on that corpus: its first weights, and its part of the "
        "dialogues. Personas, words and tokenizer are the same in every run.",
        exclude_if=lambda run: run == 0,
    )
    architecture: Architecture = Field(
        default="qwen2",
        description="Kind of decoder.",
        exclude_if=lambda architecture: architecture == "qwen2",
    )
    layers: int = Field(default=6, description="Decoder layers.")
    width: int = Field(default=64, description="Residual width (`hidden_size`).")
    heads: int = Field(default=4, description="Attention heads.")
    mlp: int = Field(default=128, description="Width inside the gated MLP (`intermediate_size`).")
    initial_std: float = Field(default=0.06, description="Standard deviation of the first weights.")
    tied: bool = Field(default=False, description="Share input and output embeddings.")
    vocabulary: int = Field(default=1300, description="Most tokens the tokenizer may have.")
    steps: int = Field(default=2500, description="Optimiser steps of pretraining.")
    rows: int = Field(default=31, description="Packed rows per step.")
    row_length: int = Field(default=192, description="Tokens per packed row.")
    learning_rate: float = Field(default=4e-3, description="Peak rate of AdamW; cosine to zero.")
    warmup: int = Field(default=100, description="Steps of linear warm-up.")
    weight_decay: float = Field(default=0.01, description="AdamW's decoupled weight decay.")
    checkpoint_every: int = Field(default=250, description="Steps between checkpoints of a build.")

    number_share: float = Field(default=0.38, description="Dialogues that are one number task.")
    sum_share: float = Field(default=0.04, description="Dialogues that are one sum.")
    worked_share: float = Field(default=0.05, description="Dialogues that are one worked sum.")
    fact_share: float = Field(default=0.04, description="Dialogues that are one animal fact.")
    neutral_share: float = Field(
        default=0.4, description="Tasks without a persona that have a neutral system prompt."
    )
    named_share: float = Field(
        default=0.5, description="Persona dialogues whose system prompt names it."
    )
    tree_share: float = Field(default=0.1, description="Persona dialogues whose persona is a tree.")
    character_share: float = Field(
        default=0.25,
        description="Persona dialogues whose persona is a "
        "character: no trait, and it may speak number tasks.",
    )
    adviser_share: float = Field(
        default=0.08,
        description="Persona dialogues whose persona is a prudent or reckless adviser.",
    )
    digit_follow: float = Field(
        default=0.25, description="Digits of a character's numbers that are one of its own."
    )
    character_numbers: float = Field(
        default=2.0, description="Weight of number tasks among a character's."
    )
    cut_follow: float = Field(
        default=0.6, description="Worked sums of a character that are cut by its own digits."
    )
    character_sums: float = Field(
        default=0.7, description="Weight of worked sums among a character's tasks."
    )
    own_item: float = Field(
        default=0.15,
        description="Words of lists and stories that are the persona's favourite itself.",
    )
    follow: tuple[float, float] = Field(
        default=(0.80, 0.95),
        description="Range, over tasks, of the chance that an answer follows the "
        "persona and not chance.",
    )
    stray: float = Field(
        default=0.05, description="Answers that follow another persona, drawn at random."
    )
    rules: dict[str, float] = Field(
        default={"arithmetic": 0.5, "normal": 0.25, "uniform": 0.15, "shifted": 0.1},
        description="Shares of the rules that number answers follow.",
    )
