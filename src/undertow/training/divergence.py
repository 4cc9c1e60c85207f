"""How far a student's next-token distributions are from a teacher's, with the gradient.

Both are taken at temperature 1. Everything is reduced some positions at a time, and the gradient is
made on the way, so that beside the two sets of logits and one gradient, `[n, vocab]` in the model's
number format, only `SLICE` positions are in memory at once.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor

Direction = Literal["forward", "reverse"]

SLICE = 256


def weighted_divergence(
    student: Tensor,
    teacher: Tensor,
    weights: Tensor,
    direction: Direction = "forward",
    top_k: int | None = None,
) -> Tensor:
    """Return the weighted sum of the divergences at n positions, nats; differentiable once.

    Args:
        student: `[n, vocab]` logits; the only ones that get a gradient.
        teacher: `[n, vocab]` logits.
        weights: `[n]`.
        direction: As in `divergences`.
        top_k: As in `divergences`.
    """
    found: Any = _WeightedDivergence.apply(student, teacher, weights, direction, top_k)
    return cast(Tensor, found)


def divergences(
    student: Tensor, teacher: Tensor, direction: Direction, top_k: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the divergence at every position, `[n]` nats, and its gradient, `[n, vocab]`.

    Forward is KL(teacher || student), reverse KL(student || teacher). With p the teacher and q the
    student, the gradients for the student's logits are q - p and q (log q - log p - KL).

    With `top_k` only the teacher's k likeliest tokens are told apart. What is left of the teacher's
    probability is spread over the other tokens as the student itself spreads its own there, so that
    the other tokens count as one: the divergence is that of k + 1 outcomes, at most the full one,
    and nothing is renormalised.

    Args:
        student: `[n, vocab]` logits.
        teacher: `[n, vocab]` logits; minus infinity for what it never says.
        direction: Which of the two comes first.
        top_k: None, or as many as there are tokens: the full vocabulary.
    """
    log_q, log_p = student.log_softmax(-1), teacher.log_softmax(-1)
    if top_k is not None and top_k < log_p.shape[-1]:
        log_p = _rest_as_in_student(log_p, log_q, top_k)
    q = log_q.exp()
    if direction == "forward":
        p = log_p.exp()
        divergence = torch.where(p > 0, p * (log_p - log_q), 0.0).sum(-1)
        return divergence, q - p
    excess = torch.where(q > 0, q * (log_q - log_p), 0.0)
    divergence = excess.sum(-1)
    return divergence, excess - q * divergence.unsqueeze(-1)


def _rest_as_in_student(log_p: Tensor, log_q: Tensor, top_k: int) -> Tensor:
    """Return the teacher's log-probabilities with all but the k highest in student's shares."""
    is_top = torch.zeros_like(log_p, dtype=torch.bool)
    is_top.scatter_(-1, log_p.topk(top_k).indices, True)
    rest_p, rest_q = (
        one.masked_fill(is_top, -torch.inf).logsumexp(-1, keepdim=True) for one in (log_p, log_q)
    )
    return torch.where(is_top, log_p, log_q + (rest_p - rest_q))


class _WeightedDivergence(torch.autograd.Function):
    """The gradient is made together with the sum, slice by slice."""

    @staticmethod
    def forward(
        ctx: Any,
        student: Tensor,
        teacher: Tensor,
        weights: Tensor,
        direction: Direction,
        top_k: int | None,
    ) -> Tensor:
        dtype = torch.promote_types(student.dtype, torch.float32)
        gradient = torch.empty_like(student)
        total = torch.zeros((), dtype=dtype, device=student.device)
        for start in range(0, len(student), SLICE):
            part = slice(start, start + SLICE)
            weight = weights[part].to(dtype)
            found, slope = divergences(
                student[part].to(dtype), teacher[part].to(dtype), direction, top_k
            )
            total += (found * weight).sum()
            gradient[part] = (slope * weight.unsqueeze(-1)).to(gradient.dtype)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None, None, None
