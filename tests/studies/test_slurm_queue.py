"""Whether jobs are left in SLURM's queue, by what a stand-in for `squeue` prints."""

import pytest

from undertow.studies.executors import slurm_queue
from undertow.studies.executors.slurm_queue import SlurmQueue


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Play a controller: what it prints, what it complains of; how often it was asked."""
    asked = tmp_path / "asked"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(slurm_queue, "ASK_EVERY", 0.0)

    def play(states, complaint=""):
        script = tmp_path / "squeue"
        script.write_text(
            f"#!/bin/sh\necho \"$@\" >> {asked}\nprintf '{states}'\n"
            + (f"echo '{complaint}' >&2; exit 1\n" if complaint else "")
        )
        script.chmod(0o755)

    play.asked = lambda: asked.read_text().splitlines()
    return play


@pytest.mark.parametrize(
    ("states", "ended"),
    [
        ("RUNNING\\nCOMPLETED\\n", False),
        ("PENDING\\nCANCELLED\\n", False),
        ("COMPLETING\\n", False),
        ("CANCELLED\\nTIMEOUT\\nNODE_FAIL\\n", True),
        ("", True),
    ],
)
def test_an_array_has_ended_when_no_job_can_come_back(squeue, states, ended):
    squeue(states)
    assert SlurmQueue("7").has_ended() is ended
    assert squeue.asked()[0].startswith("--jobs 7 ")


def test_jobs_that_the_controller_no_longer_knows_have_ended(squeue):
    squeue("", "slurm_load_jobs error: Invalid job id specified")
    assert SlurmQueue("7").has_ended()


def test_a_controller_that_does_not_answer_has_ended_nothing(squeue):
    squeue("", "slurm_load_jobs error: Unable to contact slurm controller")
    queue = SlurmQueue("7")
    assert not queue.has_ended()
    squeue("FAILED\\n")
    assert queue.has_ended()


def test_it_is_asked_now_and_then_and_not_after_the_end(squeue, monkeypatch):
    monkeypatch.setattr(slurm_queue, "ASK_EVERY", 1000.0)
    squeue("RUNNING\\n")
    queue = SlurmQueue("7")
    for _ in range(3):
        assert not queue.has_ended()
    assert len(squeue.asked()) == 1
    monkeypatch.setattr(slurm_queue, "ASK_EVERY", 0.0)
    squeue("FAILED\\n")
    other = SlurmQueue("8")
    for _ in range(3):
        assert other.has_ended()
    assert len(squeue.asked()) == 2
