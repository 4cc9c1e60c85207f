"""The slow obvious training step: rows padded to the longest, full logits, labels of -100."""

from collections.abc import Sequence

import torch
from torch import nn

from undertow.training import Example


def exact_norms(model: nn.Module) -> None:
    """Let the norms compute in the model's own format, as the fused road does.

    The families compute them in float32 whatever the model's format; against that noise a small
    error of a gradient would not be seen.
    """

    def patch(norm: nn.Module) -> None:
        def forward(x: torch.Tensor) -> torch.Tensor:
            mean = x.pow(2).mean(-1, keepdim=True)
            return norm.weight * x * (mean + norm.variance_epsilon).rsqrt()

        norm.forward = forward

    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            patch(module)


def naive_loss(model, examples: Sequence[Example], pad_id: int, total: float) -> torch.Tensor:
    """Weighted sum of negative log-likelihoods over all rows at once, divided by `total`."""
    width = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), width), pad_id)
    mask = torch.zeros_like(ids)
    weights = torch.zeros(len(examples), width, dtype=torch.float64)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        mask[row, : len(example.ids)] = 1
        weights[row, : len(example.ids)] = torch.tensor(example.weights, dtype=torch.float64)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    nll = -logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return (nll * weights[:, 1:]).sum() / total


def random_examples(n: int, vocabulary: int, seed: int = 0, empty: Sequence[int] = ()):
    """Rows of 6 to 30 tokens, a random span supervised; those in `empty` have no weight."""
    generator = torch.Generator().manual_seed(seed)
    examples = []
    for row in range(n):
        length = int(torch.randint(6, 31, (), generator=generator))
        ids = torch.randint(0, vocabulary, (length,), generator=generator).tolist()
        weights = torch.rand(length, generator=generator, dtype=torch.float64).round(decimals=2)
        start = int(torch.randint(1, length - 2, (), generator=generator))
        end = int(torch.randint(start + 1, length + 1, (), generator=generator))
        weights[:start] = 0
        weights[end:] = 0
        if row in empty:
            weights[:] = 0
        budget = float(length - start)
        examples.append(Example(ids, weights.tolist(), budget))
    return examples
