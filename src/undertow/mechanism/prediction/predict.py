"""Which way a data set pushes a model, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from undertow.errors import UserError
from undertow.mechanism.prediction.config import PredictionConfig
from undertow.mechanism.prediction.data import (
    DataGradient,
    Progress,
    data_examples,
    data_gradient,
)
from undertow.mechanism.prediction.directions import Directions, trait_directions
from undertow.mechanism.prediction.result import Prediction
from undertow.mechanism.prediction.scores import scores
from undertow.mechanism.prediction.soft import teacher_distributions
from undertow.models import ChatModel
from undertow.store.rows import Row
from undertow.teachers import Teacher
from undertow.training.example import Example
from undertow.traits import Trait

DEFAULT = PredictionConfig()


def predict(
    chat: ChatModel,
    rows: Sequence[Row],
    traits: Sequence[Trait],
    control: Sequence[Row] | None = None,
    config: PredictionConfig = DEFAULT,
    *,
    teacher: Teacher | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Return how far a first step of training on the rows would move each trait.

    To first order, training moves the log-probability of a trait's answer by the inner product of
    its gradient with that of the data's log-likelihood. Both are taken at the base, with respect
    to a fresh low-rank adapter, and compared as cosines.

    Args:
        chat: The base model.
        rows: The data; rows without token ids are tokenised.
        traits: Two or more that compete for an answer.
        control: Rows whose mean gradient is subtracted: what any data of the kind does. They may
            be of another channel.
        config: Adapter, blocks, intervals.
        teacher: Whose distributions take the place of the tokens that came ("soft"); None: those
            tokens.
        progress: Told of every batch of rows.

    Raises:
        UserError: A row has no completion tokens, traits cannot be compared, or a control is
            given beside a teacher.
    """
    if control is not None and teacher is not None:
        raise UserError(
            "a control has no place beside a teacher's distributions",
            fix="leave one out: the base's own distributions have no gradient to subtract",
        )
    sets = [data_examples(chat, each) for each in (rows, control) if each is not None]
    soft = None if teacher is None else teacher_distributions(chat, rows, teacher)
    directions = trait_directions(chat, traits, config)
    gradients = [
        data_gradient(chat, directions, examples, config, soft, told)
        for examples, told in zip(sets, _counted(sets, progress), strict=True)
    ]
    return compare_gradients(directions, [row.row_id for row in rows], gradients, config)


def compare_gradients(
    directions: Directions,
    row_ids: list[int],
    sets: Sequence[DataGradient],
    config: PredictionConfig,
) -> Prediction:
    """Return the prediction from gradients that are there, as `predict` does.

    Args:
        directions: Of the traits.
        row_ids: Id of each row of the data.
        sets: The data's gradient, and behind it that of a control, if any.
        config: Intervals.
    """
    data, *subtracted = sets
    plain, sign = scores(directions, sets, config.bootstrap)
    return Prediction(
        directions=directions,
        row_ids=row_ids,
        n_control=sum(len(control.rows) for control in subtracted),
        cosine=plain,
        sign=sign,
        rows=data.rows,
    )


def _counted(
    sets: Sequence[Sequence[Example]], progress: Progress | None
) -> Iterator[Progress | None]:
    """Yield for each set of rows what is told of its progress: that of all sets as one."""
    total = sum(map(len, sets))
    before = 0
    for examples in sets:
        yield progress and _shifted(progress, before, total)
        before += len(examples)


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """Return what tells progress of a part as progress of the whole."""
    return lambda done, _: progress(before + done, total)
