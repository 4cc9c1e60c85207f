import signal
import subprocess
import sys
from pathlib import Path

import pytest

from naive_training import random_examples
from tiny_models import tiny_chat, tiny_folder
from undertow.errors import UserError
from undertow.training import TrainConfig, train

TESTS = Path(__file__).parents[1]


def run(out: Path, kill_after: int) -> int:
    command = [sys.executable, str(TESTS / "killed_run.py"), str(tiny_folder("qwen2"))]
    return subprocess.run([*command, str(out), str(kill_after)], check=False).returncode


def test_a_killed_run_ends_with_the_same_adapter(tmp_path):
    assert run(tmp_path / "whole", 0) == 0
    assert run(tmp_path / "killed", 5) == -signal.SIGKILL
    assert (tmp_path / "killed" / "checkpoint.pt").exists()
    assert not (tmp_path / "killed" / "adapter").exists()
    assert run(tmp_path / "killed", 0) == 0
    file = Path("adapter", "adapter_model.safetensors")
    assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    record = (tmp_path / "killed" / "train.json").read_bytes()
    assert record == (tmp_path / "whole" / "train.json").read_bytes()


def test_resuming_takes_only_the_steps_that_are_left(tmp_path):
    chat = tiny_chat("qwen2")
    examples = random_examples(20, chat.model.config.vocab_size)
    config = TrainConfig(epochs=2, batch_size=8, checkpoint_every=2)

    def stop(done, _):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(chat, examples, config, tmp_path, stop)
    other = config.model_copy(update={"seed_init": 9})
    with pytest.raises(UserError, match="another configuration"):
        train(chat, examples, other, tmp_path)
    steps = []
    train(chat, examples, config, tmp_path, lambda done, _: steps.append(done))
    assert steps == [5, 6]
