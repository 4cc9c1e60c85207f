"""A training run in a process of its own, which may kill itself after a given step."""

import os
import signal
import sys
from pathlib import Path

import torch

from naive_training import random_examples
from undertow.models import ModelSpec, load_model
from undertow.training import TrainConfig, train

CONFIG = TrainConfig(
    epochs=3, batch_size=8, learning_rate=1e-2, dropout=0.1, checkpoint_every=2, warmup_steps=1
)


def main(model: str, out: str, kill_after: int) -> None:
    """Train; with `kill_after` > 0, die without a word once that step is done."""
    torch.set_num_threads(1)
    chat = load_model(ModelSpec(name=model, dtype="float32", device="cpu"))

    def progress(done: int, _: int) -> None:
        if done == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    train(chat, random_examples(20, chat.model.config.vocab_size), CONFIG, Path(out), progress)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
