"""The slow obvious way to the exact probability of an answer."""

import numpy as np
import torch

from undertow.measure.forms import answer_texts
from undertow.models import encode_prompt, render_prompt


def naive_probabilities(chat, model, prompts, traits):
    """Return `[question, trait]`: one forward for every question and form, all logits, no cache.

    `chat` tells the tokens, `model` the logits.
    """
    found = np.zeros((len(prompts), len(traits)))
    for row, messages in enumerate(prompts):
        prompt = encode_prompt(chat, messages).ids
        for text, trait in answer_texts(traits).items():
            whole = chat.tokenizer(render_prompt(chat, messages) + text, add_special_tokens=False)
            ids = whole["input_ids"][len(prompt) :]
            with torch.no_grad():
                logits = model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 :]
            chances = logits.softmax(-1)
            chance = float(chances[-1, list(chat.end_ids)].sum())
            for k, token in enumerate(ids):
                chance *= float(chances[k, token])
            found[row, trait] += chance
    return found
