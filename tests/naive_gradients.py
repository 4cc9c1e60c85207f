"""Gradients of a fresh adapter the slow obvious way: by peft, one backward for each line."""

import numpy as np
import torch
from peft import LoraConfig, get_peft_model

from undertow.measure.forms import answer_texts
from undertow.models import encode_completion, encode_prompt, prompt_messages, target_modules
from undertow.models.adapters import restored


def naive_gradients(chat, factors, objectives):
    """Return `[objective, parameter]`: the gradient of each with respect to B.

    An objective is a function from (model) to a scalar.
    """
    rank = len(factors.down[0])
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules=target_modules(chat.model))
    with restored(chat.model):
        model = get_peft_model(chat.model, config).to(chat.model.dtype).eval()
        up = []
        for name, a in zip(factors.names, factors.down, strict=True):
            layer = model.get_submodule(f"base_model.model.{name}")
            layer.lora_A["default"].weight.data.copy_(a)
            up.append(layer.lora_B["default"].weight)
            assert not up[-1].any()
        lines = []
        for objective in objectives:
            found = torch.autograd.grad(objective(model), up)
            lines.append(torch.cat([part.flatten() for part in found]))
    return torch.stack(lines)


def token_logs(model, prompt, completion):
    """Return the log-probability of each completion token, `[token]`."""
    logits = model(torch.tensor([prompt + completion])).logits[0]
    logs = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return logs[range(len(completion)), completion]


def rows_as_ids(chat, rows):
    """Return prompt and completion of each row."""
    return [(encode_prompt(chat, row.messages).ids, list(row.token_ids)) for row in rows]


def naive_directions(chat, factors, traits):
    """Return `[trait, parameter]`, centred, of length 1: forms weighted by their probability."""
    texts = answer_texts(traits)

    def objective(place):
        def total(model):
            values = []
            for question in traits[0].questions:
                messages = prompt_messages(question)
                prompt = encode_prompt(chat, messages).ids
                forms = {
                    tuple(encode_completion(chat, messages, text)): owner
                    for text, owner in texts.items()
                }
                own = [list(ids) for ids, owner in forms.items() if owner == place]
                logs = torch.stack([token_logs(model, prompt, ids).sum() for ids in own])
                whole = torch.stack([any_end(chat, model, prompt, ids[:-1]) for ids in own])
                values.append(whole.softmax(0).detach() @ logs)
            return torch.stack(values).sum()

        return total

    gradients = naive_gradients(chat, factors, [objective(k) for k in range(len(traits))])
    centred = gradients - gradients.mean(0)
    return centred / centred.norm(dim=1, keepdim=True)


def any_end(chat, model, prompt, form):
    """Return the log-probability of a form and then of any token that ends the turn."""
    ends = [token_logs(model, prompt, [*form, end]).sum() for end in chat.end_ids]
    return torch.stack(ends).logsumexp(0)


def layer_products(factors, gradients, vectors):
    """Return inner products `[row, trait, layer]`, number by number."""
    layer = np.repeat(factors.layers, factors.sizes)
    products = np.einsum("rp,tp->rtp", gradients, vectors)
    return np.stack([products[..., layer == one].sum(-1) for one in sorted(set(layer))], axis=-1)
