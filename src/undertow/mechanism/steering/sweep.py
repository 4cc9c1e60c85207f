"""How strongly a teacher can be steered and still do the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from undertow.channels import Channel, YieldReport
from undertow.errors import UserError
from undertow.frozen import Frozen
from undertow.generate import GenerationConfig, generate_rows
from undertow.models import ChatModel
from undertow.teachers import SteeredTeacher
from undertow.traits import Trait

Progress = Callable[[int, int], None]
"""Called with (strengths tried, strengths in all)."""


class SweepConfig(Frozen):
    """Which strengths are tried, and what must come of them."""

    strengths: tuple[float, ...] = Field(
        default=(0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0),
        min_length=1,
        description="Tried from the smallest on, until one yields too little. After all layers the "
        "vectors add up, and small ones are enough; after a single layer it takes more.",
    )
    min_yield: float = Field(
        default=0.9, ge=0, le=1, description="Share of completions that must be accepted."
    )
    prompts: int = Field(default=200, ge=1, description="Completions for each strength.")
    prompt_seed: int = Field(default=1042, ge=0, description="Of the prompts.")


@dataclass(frozen=True)
class Sweep:
    """What became of each strength.

    Attributes:
        teacher: The teacher with the strength that was chosen.
        yields: By strength, what the channel's filter kept; the last may be one too strong.
    """

    teacher: SteeredTeacher
    yields: Mapping[float, YieldReport]


def sweep_strength(
    chat: ChatModel,
    teacher: SteeredTeacher,
    channel: Channel,
    generation: GenerationConfig,
    config: SweepConfig,
    *,
    traits_to_ban: Sequence[Trait] = (),
    progress: Progress | None = None,
) -> Sweep:
    """Return the teacher with the largest strength up to which enough completions are accepted.

    Strengths are tried in rising order; the first that yields less than the share ends the search.
    All answer the same prompts with the same random numbers.

    Args:
        chat: The base model.
        teacher: What is steered, and how; its own strength does not matter.
        channel: Draws prompts and checks completions.
        generation: How completions are drawn.
        config: Strengths, share, prompts.
        traits_to_ban: Traits that no completion may name.
        progress: Told of every strength that is tried.

    Raises:
        UserError: Even the smallest yields less.

    Source: strength by the share of valid completions (Morgulis and Hewitt, 2604.25783).
    """
    prompts = channel.draw(config.prompts, config.prompt_seed)
    strengths = sorted(set(config.strengths))
    yields: dict[float, YieldReport] = {}
    chosen: SteeredTeacher | None = None
    for place, strength in enumerate(strengths):
        tried = teacher.with_strength(strength)
        rows = generate_rows(chat, tried, prompts, generation, channel, traits_to_ban=traits_to_ban)
        yields[strength] = YieldReport.of(row.rejection for row in rows)
        if progress is not None:
            progress(place + 1, len(strengths))
        if yields[strength].share_kept < config.min_yield:
            break
        chosen = tried
    if chosen is None:
        raise UserError(
            f"at the smallest strength, {strengths[0]:g}, the filter {yields[strengths[0]]}",
            fix="try smaller strengths or fewer layers, or ask for a smaller share",
        )
    return Sweep(chosen, yields)
