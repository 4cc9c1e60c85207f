"""What Ray and SLURM are asked for, without either."""

import pickle
import sys
from types import SimpleNamespace

import pytest

from tiny_study import TINY
from undertow.cluster import RayConfig, SlurmConfig
from undertow.cluster.ray_connection import room
from undertow.errors import UserError
from undertow.studies.executor import run_tasks
from undertow.studies.executors import slurm
from undertow.studies.lab import Lab
from undertow.studies.tasks import Task

BASE = Task("base", TINY)


class Job:
    """A job of an array, as submitit shows it."""

    paths = SimpleNamespace(stderr="slurm/1.err")

    def __init__(self, done):
        self._done = done
        self.cancelled = False

    def done(self):
        return self._done

    def stderr(self):
        return "Traceback\nKilled by the cluster\n"

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def array(monkeypatch):
    """Run tasks on an array of such jobs."""
    monkeypatch.setattr(slurm, "LOOK_EVERY", 0.01)

    def run(root, jobs):
        monkeypatch.setattr(slurm, "_submit", lambda *_: jobs)
        return run_tasks({BASE: []}, root, SlurmConfig(cluster="local"))

    return run


def test_what_a_job_has_done_is_found_in_the_store(array, tmp_path):
    Lab(tmp_path, TINY).perform(BASE)
    jobs = [Job(False)]
    assert set(array(tmp_path, jobs).finished) == {BASE}
    assert not jobs[0].cancelled


def test_jobs_that_all_ended_too_early_are_told(array, tmp_path):
    jobs = [Job(True), Job(True)]
    with pytest.raises(UserError, match="Killed by the cluster") as caught:
        array(tmp_path, jobs)
    assert caught.value.where == "slurm/1.err"
    assert all(job.cancelled for job in jobs)


def test_a_job_takes_its_work_with_it(tmp_path):
    work = slurm.Work({BASE: []}, tmp_path, "run", 2)
    assert pickle.loads(pickle.dumps(work)) == work


def test_settings_in_submitits_words():
    config = SlurmConfig(partition="gpu", gpus=2, cpus=8, memory=64, minutes=90, more={"qos": "x"})
    assert slurm._parameters(config) == {
        "name": "undertow",
        "timeout_min": 90,
        "cpus_per_task": 8,
        "gpus_per_node": 2,
        "mem_gb": 64,
        "slurm_partition": "gpu",
        "slurm_additional_parameters": {"qos": "x"},
    }


@pytest.mark.parametrize(
    ("package", "config", "extra"),
    [("ray", RayConfig(), "ray"), ("submitit", SlurmConfig(), "slurm")],
)
def test_a_missing_extra_is_named(monkeypatch, tmp_path, package, config, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError) as caught:
        run_tasks({BASE: []}, tmp_path, config)
    assert f"undertow[{extra}]" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "there", "tasks"),
    [
        (RayConfig(), {"CPU": 4.0}, 4),
        (RayConfig(workers=3), {"CPU": 4.0}, 3),
        (RayConfig(cpus=0.5), {"CPU": 4.0}, 8),
        (RayConfig(gpus=0.5), {"CPU": 64.0, "GPU": 2.0}, 4),
    ],
)
def test_room_on_a_cluster(config, there, tasks):
    assert room(SimpleNamespace(cluster_resources=lambda: there), config) == tasks


def test_a_task_that_fits_nowhere_is_refused_instead_of_waiting_for_ever():
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 4.0})
    with pytest.raises(UserError, match="1 GPUs"):
        room(ray, RayConfig(gpus=1))
