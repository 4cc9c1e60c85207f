"""Which completions are kept, and the yield by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import Field

from undertow.channels.channel import Channel, Reason
from undertow.frozen import Frozen
from undertow.traits import Trait, names_trait


class YieldReport(Frozen):
    """How many completions were kept, and why the others were not."""

    total: int = Field(ge=0, description="Completions checked.")
    rejected: dict[Reason, int] = Field(description="Completions not kept, by reason.")

    @classmethod
    def of(cls, reasons: Iterable[str | None]) -> YieldReport:
        """Count the reasons that rows carry; None stands for a row that is kept.

        Raises:
            ValueError: A text is not one of the reasons.
        """
        counts = Counter(reason and Reason(reason) for reason in reasons)
        rejected = {reason: counts[reason] for reason in Reason if counts[reason]}
        return cls(total=counts.total(), rejected=rejected)

    @property
    def kept(self) -> int:
        """Completions kept."""
        return self.total - sum(self.rejected.values())

    @property
    def share_kept(self) -> float:
        """Share of completions kept, in [0, 1]; 0 where none was checked."""
        return self.kept / self.total if self.total else 0.0

    def __str__(self) -> str:
        """Return the report as one line, commonest reason first."""
        kept = f"kept {self.kept:,} of {self.total:,} ({self.share_kept:.1%})"
        by_count = sorted(self.rejected.items(), key=lambda item: -item[1])
        return "; ".join([kept, *(f"{reason.replace('_', ' ')} {n:,}" for reason, n in by_count)])


def reject_named_trait(completion: str, traits_to_ban: Iterable[Trait]) -> Reason | None:
    """Return the reason not to keep a completion that names one of the traits, or None."""
    named = any(names_trait(completion, trait) for trait in traits_to_ban)
    return Reason.TRAIT_NAMED if named else None


def check_completions(
    channel: Channel, completions: Iterable[str], traits_to_ban: Sequence[Trait] = ()
) -> tuple[list[Reason | None], YieldReport]:
    """Check completions one by one; rows are never edited.

    Args:
        channel: The channel that they answer.
        completions: Texts without the end-of-turn token.
        traits_to_ban: Traits that no completion may name.

    Returns:
        The reason not to keep it, or None, per completion, in order, and the counts.
    """
    reasons = [channel.check(completion, traits_to_ban) for completion in completions]
    return reasons, YieldReport.of(reasons)
