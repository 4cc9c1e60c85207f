"""What tasks have a model do, counted in tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from undertow.generate import GenerationConfig
from undertow.studies.costs.shape import Shape
from undertow.studies.recipe import Recipe
from undertow.studies.tasks import Task, TaskStep
from undertow.training import TrainConfig

Kind = Literal["generate", "scan", "train", "measure", "score"]
KINDS: tuple[Kind, ...] = ("generate", "scan", "train", "measure", "score")


@dataclass(frozen=True)
class Lengths:
    """How long texts are, in tokens of the model, on average.

    Attributes:
        prompt: A prompt of the channel with all that the template adds.
        completion: What a teacher writes on it.
        question: A question of the measurement.
        answer: An answer to it.
        questions: Number of questions.
        kept: Share of completions that the filter keeps.
        forms: Texts that are an answer and nothing else, whose exact probability is asked for
            behind every question; of those that another begins with, the longer ones alone.
        form: Tokens of such a text.
    """

    prompt: float
    completion: float
    question: float
    answer: float
    questions: int
    kept: float = 1.0
    forms: float = 0.0
    form: float = 0.0


@dataclass(frozen=True)
class Work:
    """Sequences that a model goes through.

    Attributes:
        kind: generate and measure write the completions one token at a time; scan, train and score
            have them.
        sequences: How many, every pass counted.
        prompt: Tokens in front of each completion.
        completion: Tokens of each completion.
        alike: Sequences that share one pass over their prompt.
        batch: Sequences at once.
        rank: Of the adapter that is trained.
        share: Share of the layers that it goes through, the last ones of training.
        full: Whether the weights themselves are trained.
    """

    kind: Kind
    sequences: float
    prompt: float
    completion: float
    alike: float = 1.0
    batch: float = 1.0
    rank: int = 0
    share: float = 1.0
    full: bool = False

    @property
    def tokens(self) -> float:
        """Tokens that speeds are told in: written ones, or all that are gone through."""
        written = self.kind in ("generate", "measure")
        read = 0.0 if written else self.prompt / self.alike
        return self.sequences * (read + self.completion)

    def flops(self, shape: Shape) -> float:
        """Return the operations of all sequences."""
        prompt = self.prompt / self.alike
        looks = prompt * self.prompt / 2 + self.completion * (self.prompt + self.completion / 2)
        each = (prompt + self.completion, looks, self.completion)
        flops = shape.forward_flops(*each, share=self.share)
        if self.kind == "train":
            flops += shape.backward_flops(*each, share=self.share, full=self.full)
        return self.sequences * flops

    def memory(self, shape: Shape) -> float:
        """Return the bytes that it takes in bf16."""
        if self.kind == "train":
            tokens = self.batch * (self.prompt + self.completion)
            kept = self.batch * self.completion
            return shape.training_bytes(
                tokens, kept, rank=self.rank, share=self.share, full=self.full
            )
        return shape.writing_bytes(self.batch, self.prompt + self.completion)

    @property
    def plain(self) -> Work:
        """The same through all layers, with an adapter: what a calibration has tried."""
        return replace(self, share=1.0, full=False)


UNCOUNTED: tuple[TaskStep, ...] = ("model", "data", "entangled", "attribute", "predict")
"""Work of a model that is not counted; `share` and `probe` themselves have next to none."""


def making(task: Task, lengths: Lengths, n_layers: int) -> list[Work]:
    """Return what is done once to make a task's artifact, however it is asked then.

    Nothing for what is `UNCOUNTED` or only moves data.

    Args:
        task: The task.
        lengths: Of the texts.
        n_layers: Decoder layers of the model.
    """
    recipe = task.recipe
    if task.work == "teacher" and task.kind == "finetuned":
        pairs, train = recipe.teacher.pairs, recipe.teacher.train
        return _trained(train, n_layers, pairs, lengths.question, lengths.answer)
    if task.work == "numbers":
        rows = (recipe.rows + recipe.heldout) / lengths.kept
        batch = min(recipe.generation.batch_size, rows)
        return [Work("generate", rows, lengths.prompt, lengths.completion, batch=batch)]
    if task.work == "scan":
        passes = 2 + recipe.counterfactuals + recipe.base_counterfactual
        return [_read(recipe.rows * passes, recipe, lengths)]
    if task.work == "student":
        rows = min(recipe.student.rows or recipe.rows, recipe.rows)
        train = recipe.student.train
        trained = _trained(train, n_layers, rows, lengths.prompt, lengths.completion)
        taught = _taught(recipe, rows * train.epochs, lengths)
        return [*trained, *taught, _read(recipe.heldout, recipe, lengths)]
    return []


def asking(task: Task, lengths: Lengths) -> list[Work]:
    """Return the measurement of what a task makes: answers drawn, and exact probabilities."""
    if task.work not in ("base", "teacher", "student"):
        return []
    samples = task.recipe.measure.n_samples
    drawn = Work(
        "measure",
        lengths.questions * samples,
        lengths.question,
        min(lengths.answer, task.recipe.measure.max_new_tokens),
        alike=max(samples, 1),
        batch=min(GenerationConfig().batch_size, max(1, lengths.questions * samples)),
    )
    forms = lengths.questions * lengths.forms
    exact = Work(
        "score", forms, lengths.question, lengths.form, alike=lengths.forms, batch=lengths.forms
    )
    return [drawn, exact] if forms else [drawn]


def _taught(recipe: Recipe, sequences: float, lengths: Lengths) -> list[Work]:
    """Return what soft targets add: the teacher reads every row, which the student may write."""
    distillation = recipe.student.distillation
    if distillation is None:
        return []
    read = _read(sequences, recipe, lengths)
    if distillation.on_policy is None:
        return [read]
    generation = distillation.on_policy.generation
    completion = min(lengths.completion, generation.max_new_tokens)
    batch = min(generation.batch_size, sequences)
    return [read, Work("generate", sequences, lengths.prompt, completion, batch=batch)]


def _read(sequences: float, recipe: Recipe, lengths: Lengths) -> Work:
    """Return the scoring of rows that are there."""
    each = lengths.prompt + lengths.completion
    batch = max(1.0, recipe.scan.batch_tokens / each)
    return Work("scan", sequences, lengths.prompt, lengths.completion, batch=batch)


def _trained(
    config: TrainConfig, n_layers: int, rows: int, prompt: float, completion: float
) -> list[Work]:
    """Return a fine-tuning on so many rows of so many tokens.

    The layers below the lowest trained one are gone through once, whatever the epochs.
    """
    lowest = min(config.layers) if config.layers else 0
    below = Work("scan", rows, prompt + completion, 0.0, share=lowest / n_layers)
    trained = Work(
        "train",
        rows * config.epochs,
        prompt,
        completion,
        batch=min(config.micro_batch_size, config.batch_size),
        rank=config.rank,
        share=1 - lowest / n_layers,
        full=config.method == "full",
    )
    return [below, trained] if lowest else [trained]
