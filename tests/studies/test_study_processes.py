"""A study that is killed, interrupted or short of space, as a process of its own."""

import os
import signal
import sys

import pytest
import yaml

from demo_process import DemoPlace, kill_workers, output_of, start_and_kill

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc"),
]

STUDY = {
    "name": "tiny",
    "title": "A tiny study",
    "question": "Does anything pass in three steps?",
    "source": "none",
    "conditions": [
        {"name": "control", "label": "control", "writer": "control"},
        {"name": "all", "label": "all tokens"},
        {
            "name": "within",
            "label": "shuffled, divergence tokens only",
            "changes": {
                "transforms": [{"apply": {"kind": "shuffle-within"}}],
                "student": {"selection": {"kind": "only"}},
            },
        },
    ],
    "claims": [
        {
            "name": "none",
            "says": "Nothing passes.",
            "of": "all",
            "against": "control",
            "expect": "not-above",
            "by": 0.5,
        }
    ],
}


class StudyPlace(DemoPlace):
    """The same of a study, with a change of the data and a scan."""

    executor = ("--workers", "2")

    def command(self, report: str = "") -> list[str]:
        study = self.folder / "tiny-study.yaml"
        study.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
        return [
            *(sys.executable, "-m", "undertow.cli.main", "study", "run", str(study)),
            *("--recipe", str(self.recipe), "--traits", "owl", "--seeds", "1"),
            *("--store", str(self.folder / "store"), *self.executor),
        ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A study that nobody disturbs: what it shows, and the steps that it does."""
    place = StudyPlace(tmp_path_factory.mktemp("undisturbed") / "study")
    shown = output_of(place.start())
    assert "shuffled, divergence tokens only" in shown
    assert len(set(place.done())) == len(place.done())
    return shown, sorted(place.done())


@pytest.fixture
def place(tmp_path):
    return StudyPlace(tmp_path / "study")


def test_killed_at_any_moment_and_run_again(place, undisturbed):
    """No matter when: same table and verdict, no finished step is done again, none is left over."""
    start_and_kill(place, after=(0, 3, 7))
    assert not list((place.folder / "store").glob("results/*/tiny.json"))
    assert output_of(place.start()) == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]
    assert not list((place.folder / "store" / "partial").iterdir())


def test_two_at_once_share_the_work(place, undisturbed):
    """Every step is done by one of them, and once."""
    processes = [place.start() for _ in range(2)]
    assert [output_of(process) for process in processes] == [undisturbed[0]] * 2
    assert sorted(place.done()) == undisturbed[1]


def test_workers_of_ray_that_are_killed_lose_nothing(tmp_path, undisturbed):
    """Workers of a local Ray, killed at random: the same table, and no finished step done again."""
    pytest.importorskip("ray")
    place = StudyPlace(tmp_path / "study")
    place.executor = ("--executor", "ray", "--workers", "2")
    process = place.start()
    assert kill_workers(place, process, "ray::perform", 3) == 3
    assert output_of(process) == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]
    assert not list((place.folder / "store" / "partial").iterdir())


def test_jobs_of_an_array_share_the_work(tmp_path, undisturbed):
    """The jobs that SLURM would run, as processes here."""
    pytest.importorskip("submitit")
    place = StudyPlace(tmp_path / "study")
    settings = place.folder / "slurm.yaml"
    settings.write_text("{kind: slurm, cluster: local, workers: 2}")
    place.executor = ("--executor", str(settings))
    assert output_of(place.start()) == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]


def test_an_interruption_is_one_message_and_nothing_is_lost(place, undisturbed):
    process = place.start()
    place.wait_for(process, 3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    assert err.count("interrupted: finished work is kept") == 1
    assert "Traceback" not in out + err
    assert 3 <= len(place.done()) < len(undisturbed[1])
    assert output_of(place.start()) == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]


def test_a_full_disk_is_one_message_and_keeps_what_is_finished(place, undisturbed):
    process = place.start_on_small_disk("500k")
    out, err = process.communicate(timeout=600)
    assert out.startswith("exit code 2\n"), err
    assert err.count("the disk is full") == 1
    assert "finished work is kept" in err
    assert "Traceback" not in out + err
    assert process.returncode == 0
    assert out.removeprefix("exit code 2\n") == undisturbed[0]
    assert sorted(place.done()) == undisturbed[1]
