"""Attribution patching the obvious way: a full forward and backward per layer, point and row."""

import torch

from undertow.models import decoder_layers


def run(model, ids, changes=None):
    """Return the residual stream after each layer and the last logits of one sequence.

    `changes` says by layer what goes on in place of its output.
    """
    kept = []

    def hook_for(index):
        def hook(_, __, output):
            hidden = output[0] if isinstance(output, tuple) else output
            if index in (changes or {}):
                hidden = changes[index](hidden)
            kept.append(hidden)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return hook

    handles = [
        module.register_forward_hook(hook_for(index))
        for index, module in enumerate(decoder_layers(model))
    ]
    try:
        logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
    finally:
        for handle in handles:
            handle.remove()
    return kept, logits


def moved(own, other, places):
    """Return the other run's stream at the positions that it stands for, else the own one."""
    target = own.clone()
    for position, place in enumerate(places):
        if place >= 0:
            target[0, position] = other[0, place]
    return target


def lead(logits, pair):
    return logits[pair.factual] - logits[pair.counterfactual]


def attribution(model, ids, own, other, places, pair, layer, fractions):
    """Return the attribution at one layer, `[position]`."""
    end = moved(own[layer], other[layer], places)
    gradients = []
    for share in fractions:
        point = (own[layer] + share * (end - own[layer])).detach().requires_grad_()
        _, logits = run(model, ids, {layer: lambda _, point=point: point})
        (gradient,) = torch.autograd.grad(lead(logits, pair), point)
        gradients.append(gradient)
    return (torch.stack(gradients).mean(0) * (end - own[layer]))[0].sum(-1)


@torch.no_grad()
def replaced(model, ids, other, places, pair, layers):
    """Return the change of the lead where positions with a place are replaced at some layers."""
    before = lead(run(model, ids)[1], pair)
    changes = {
        layer: lambda hidden, layer=layer: moved(hidden, other[layer], places) for layer in layers
    }
    return lead(run(model, ids, changes)[1], pair) - before
