"""How much a residual stream matters to a choice: integrated gradients, one step, exact patching.

All compare a run with another run's residual stream, and all measure the same: the lead of the
factual teacher's token over the counterfactual's, in logits, at the place where both part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from undertow.mechanism.patching.residuals import Batch, Residuals


@dataclass(frozen=True)
class Runs:
    """Runs that are patched, and from what.

    Attributes:
        batch: The sequences.
        factual: `[batch]`, the token that the factual teacher chooses at the ends.
        counterfactual: `[batch]`, the token that the counterfactual teacher chooses.
        start: `[layer, batch, position, d_model]`, the residual stream of the runs.
        delta: `[layer, batch, position, d_model]`, what the other run's has beyond it; 0 where
            nothing stands for a position.
        present: `[batch, position]`, where something does.
    """

    batch: Batch
    factual: Tensor
    counterfactual: Tensor
    start: Tensor
    delta: Tensor
    present: Tensor

    @property
    def complete(self) -> bool:
        """Whether something stands for every position of every run."""
        places = torch.arange(self.present.shape[1], device=self.present.device)
        return bool((self.present | (places > self.batch.ends[:, None])).all())

    def lead(self, logits: Tensor, times: int = 1) -> Tensor:
        """Return logit(factual's token) - logit(counterfactual's), `[batch * times]`.

        Args:
            logits: `[batch * times, vocab]`.
            times: How often every sequence comes, one after the other.
        """
        chosen = torch.stack([self.factual, self.counterfactual], 1).repeat_interleave(times, 0)
        found = logits.gather(1, chosen)
        return found[:, 0] - found[:, 1]


def gradients(model: Residuals, runs: Runs) -> Tensor:
    """Return the gradient of the lead at the runs themselves: one backward for all layers.

    Returns:
        `[layer, batch, position, d_model]`.
    """
    outputs: list[Tensor] = []

    def begin(hidden: Tensor) -> Tensor:
        outputs.append(hidden.detach().requires_grad_())
        return outputs[0]

    def keep(hidden: Tensor) -> Tensor:
        outputs.append(hidden)
        return hidden

    changes = {layer: keep if layer else begin for layer in range(model.n_layers)}
    logits = model.run(runs.batch, changes)
    return torch.stack(torch.autograd.grad(runs.lead(logits).sum(), outputs))


def one_step(runs: Runs, at_runs: Tensor) -> Tensor:
    """Return the attribution from the gradient at the run itself.

    Args:
        runs: The runs.
        at_runs: Their `gradients`.

    Returns:
        `[layer, batch, position]`, in logits.
    """
    return (at_runs * runs.delta).sum(-1)


def integrated(model: Residuals, runs: Runs, fractions: Sequence[float], at_runs: Tensor) -> Tensor:
    """Return the integrated-gradients attribution of the residual stream after every layer.

    One layer at a time, at all positions at once: the gradient of the lead with respect to the
    layer's output, mean over points of the straight path from the run's own to the other's, times
    the difference. Summed over positions it tends to what `exact` gives for the layer
    (completeness). Source: paper, section on attribution patching, Figs. 4 and 22 to 26.

    Args:
        model: The model.
        runs: The runs.
        fractions: The points, as shares of the path.
        at_runs: The `gradients` at the runs, which are the point 0 of the path.

    Returns:
        `[layer, batch, position]`, in logits.
    """
    others = [share for share in fractions if share]
    found: list[Tensor] = []
    for layer in range(model.n_layers):
        total = at_runs[layer] * (len(fractions) - len(others))
        if others:
            total = total + _summed_at(model, runs, layer, others)
        found.append((total / len(fractions) * runs.delta[layer]).sum(-1))
    return torch.stack(found)


def _summed_at(model: Residuals, runs: Runs, layer: int, fractions: Sequence[float]) -> Tensor:
    """Return the sum over points of the gradient at one layer, `[batch, position, d_model]`.

    All points are one batch.
    """
    start, delta = runs.start[layer], runs.delta[layer]
    points = torch.tensor(fractions, dtype=start.dtype, device=start.device)[:, None, None]
    path = (start[:, None] + points * delta[:, None]).flatten(0, 1).requires_grad_()
    logits = model.run_from(layer, path, runs.batch.repeated(len(fractions)))
    (gradient,) = torch.autograd.grad(runs.lead(logits, len(fractions)).sum(), path)
    return gradient.unflatten(0, (-1, len(fractions))).sum(1)


@torch.no_grad()
def exact(model: Residuals, runs: Runs, masks: Tensor) -> Tensor:
    """Return how the lead changes where a layer's output is really replaced.

    Args:
        model: The model.
        runs: The runs.
        masks: `[batch, mask, position]`, positions at which it is; each mask is tried by itself.

    Returns:
        `[layer, mask, batch]`, in logits: after minus before.
    """
    before = _before(model, runs)
    found = before.new_zeros(model.n_layers, masks.shape[1], len(before))
    for layer in range(model.n_layers):
        start, delta = runs.start[layer], runs.delta[layer]
        differs = (delta != 0).any(-1)
        (tried,) = (masks & differs[:, None]).any(-1).any(0).nonzero(as_tuple=True)
        if not len(tried):  # no difference at any of the positions: nothing is replaced
            continue
        hidden = (start[:, None] + masks[:, tried, :, None] * delta[:, None]).flatten(0, 1)
        logits = model.run_from(layer, hidden, runs.batch.repeated(len(tried)))
        leads = runs.lead(logits, len(tried)).unflatten(0, (-1, len(tried)))
        found[layer, tried] = leads.T - before
    return found


@torch.no_grad()
def exact_windows(model: Residuals, runs: Runs, width: int, alone: Tensor) -> Tensor:
    """Return how the lead changes where the outputs of several layers on end are replaced.

    Args:
        model: The model.
        runs: The runs.
        width: Layers that are replaced together; fewer at the top.
        alone: `[layer, batch]`, how it changes where one layer's output is.

    Returns:
        `[layer, batch]`, by the window's first layer, in logits: after minus before.
    """
    if runs.complete:  # what a window's last layer gives is then all that goes on
        return alone[[min(first + width, model.n_layers) - 1 for first in range(model.n_layers)]]
    before = _before(model, runs)

    def replaced(layer: int) -> Tensor:
        return runs.start[layer] + runs.delta[layer]

    found: list[Tensor] = []
    for first in range(model.n_layers):
        above = range(first + 1, min(first + width, model.n_layers))
        changes = {
            layer: lambda hidden, layer=layer: torch.where(
                runs.present[..., None], replaced(layer), hidden
            )
            for layer in above
        }
        logits = model.run_from(first, replaced(first), runs.batch, changes)
        found.append(runs.lead(logits) - before)
    return torch.stack(found)


def _before(model: Residuals, runs: Runs) -> Tensor:
    """Return the lead of the runs as they are, `[batch]`."""
    top = model.n_layers - 1
    return runs.lead(model.run_from(top, runs.start[top], runs.batch))
