"""Steering the slow obvious way: layers whose own forward is edited, position by position."""

import itertools
from contextlib import contextmanager

import torch

from undertow.models import decoder_layers
from undertow.models.steering import SteeringVectors, VectorMeta

META = VectorMeta(subject="owl", against="control", model="tiny", rows="some")


def write_vectors(path, chat, seed=0, scale=1.0):
    """Save random vectors for a tiny model, two blocks of rows at each place."""
    generator = torch.Generator().manual_seed(seed)
    shape = (2, chat.n_layers, chat.model.config.hidden_size)
    blocks = {
        place: scale * torch.randn(shape, generator=generator) for place in ("header", "completion")
    }
    SteeringVectors(blocks, torch.tensor([3, 1]), META).write(path)
    return str(path)


@contextmanager
def edited(model, steering):
    """Within, the forward of each chosen layer is followed by arithmetic on each position."""
    vectors = SteeringVectors.read(steering.vector).mean(steering.at)
    chosen = range(len(vectors)) if steering.layers is None else steering.layers
    layers = decoder_layers(model)

    def edit(hidden, vector):
        hidden = hidden.clone()
        for place in itertools.product(*map(range, hidden.shape[:2])):
            if steering.mode == "add":
                hidden[place] += steering.strength * vector
            else:
                share = (hidden[place] * vector).sum() / (vector * vector).sum()
                hidden[place] -= steering.strength * share * vector
        return hidden

    def patch(layer, vector):
        original = layer.forward

        def forward(*arguments, **options):
            output = original(*arguments, **options)
            if isinstance(output, tuple):
                return (edit(output[0], vector), *output[1:])
            return edit(output, vector)

        layer.forward = forward

    try:
        for index in chosen:
            patch(layers[index], vectors[index].to(model.dtype))
        yield
    finally:
        for index in chosen:
            layers[index].__dict__.pop("forward", None)
