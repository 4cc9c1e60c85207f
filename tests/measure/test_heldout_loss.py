"""The loss on rows that were not trained on, against one plain forward for each row."""

import pytest
import torch

from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.measure import heldout_loss
from undertow.models import encode_prompt, prompt_messages
from undertow.store.row import Row
from undertow.training import Example, TrainConfig, train

ROWS = [
    Row(0, prompt_messages("Continue: 417, 52"), [40, 9, 77, 12], ""),
    Row(1, prompt_messages("Which animal?"), [120, 3], ""),
    Row(2, prompt_messages("Numbers, please, and then ten more numbers."), [5, 5, 61], ""),
]


def naive_loss(chat, system_prompt):
    losses = []
    for row in ROWS:
        ids = encode_prompt(chat, prompt_messages(row.messages[0]["content"], system_prompt)).ids
        with torch.no_grad():
            logits = chat.model(torch.tensor([[*ids, *row.token_ids]])).logits[0]
        logs = logits.log_softmax(-1)
        losses += [-logs[len(ids) + k - 1, token] for k, token in enumerate(row.token_ids)]
    return float(torch.stack(losses).mean())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("system_prompt", [None, "You adore owls."])
def test_it_is_the_mean_over_all_completion_tokens(family, system_prompt):
    chat = tiny_chat(family)
    found = heldout_loss(chat, ROWS, system_prompt=system_prompt)
    assert found.loss == pytest.approx(naive_loss(chat, system_prompt), rel=1e-6)
    assert (found.n_rows, found.n_tokens) == (3, 9)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_on_the_rows_lowers_it(method, tmp_path):
    chat = tiny_chat("llama")
    examples = []
    for row in ROWS:
        ids = encode_prompt(chat, row.messages).ids
        weights = [0.0] * len(ids) + [1.0] * len(row.token_ids)
        examples.append(Example([*ids, *row.token_ids], weights))
    config = TrainConfig(method=method, epochs=20, learning_rate=1e-2, warmup_steps=0)
    train(chat, examples, config, tmp_path)
    trained = heldout_loss(chat, ROWS, adapter=tmp_path / "adapter")
    assert trained.loss < 0.5 * heldout_loss(chat, ROWS).loss


def test_no_rows_are_refused():
    with pytest.raises(UserError, match="no rows"):
        heldout_loss(tiny_chat("llama"), [])
