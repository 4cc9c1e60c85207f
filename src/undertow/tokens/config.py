"""How to scan."""

from __future__ import annotations

import torch
from pydantic import Field

from undertow.frozen import Frozen
from undertow.generate.prefill import CPU_PASS_TOKENS

# Several times what another batch shape changes of a logit in each number format.
TOLERANCES = {
    torch.float64: 1e-9,
    torch.float32: 1e-4,
    torch.float16: 0.02,
    torch.bfloat16: 0.125,
}


class ScanConfig(Frozen):
    """A divergence scan; the batches change the speed only, but for rounding."""

    tolerance: float | None = Field(
        default=None,
        ge=0,
        description="Lead of the first logit over the second below which a position is "
        "undecided; none: by the model's number format.",
    )
    batch_tokens: int = Field(
        default=4096,
        ge=1,
        description="Tokens computed at once, padding included; on a CPU no more than 2048.",
    )

    def tolerance_for(self, dtype: torch.dtype) -> float:
        """Return the tolerance to use with a model of that number format, in logits."""
        return TOLERANCES[dtype] if self.tolerance is None else self.tolerance

    def batch_tokens_on(self, device: torch.device) -> int:
        """Return how many tokens to compute at once on a device."""
        return (
            min(self.batch_tokens, CPU_PASS_TOKENS) if device.type == "cpu" else self.batch_tokens
        )
