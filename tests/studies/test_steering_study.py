"""The study `steering` from teacher to outcome, one trait and one seed, on few rows."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from few_animals import QUESTIONS
from tiny_study import FIELDS, CountingStore
from undertow.models.steering import SteeringVectors
from undertow.store.steps import FinishedStore
from undertow.studies.artifacts import VECTOR
from undertow.studies.cells import Labs
from undertow.studies.jobs import finish, make_job, plan_of
from undertow.studies.lab import RESULT_STEPS, Lab
from undertow.studies.probe import CHECKPOINTS, Probe, SteeringSpec
from undertow.studies.probing import Probing
from undertow.studies.results import query
from undertow.studies.tasks import Task

pytestmark = pytest.mark.slow

STUDENTS = ("students", "out", "own-out", "other-out", "random-out", "written-out", "sgd", "full")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("steering")


@pytest.fixture(scope="module")
def job(root):
    """The study on a recipe of few rows, asked two questions; fine-tuned teachers alone."""
    asked = {"category": "animal", "questions": list(QUESTIONS.questions[:2])}
    (root / "few.yaml").write_text(yaml.safe_dump(asked), encoding="utf-8")
    recipe = FIELDS | {"rows": 16, "questions": str(root / "few.yaml")}
    (root / "tiny.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    whole = make_job("steering", traits=["owl"], seeds=1, recipe=root / "tiny.yaml")
    return replace(whole, study=whole.study.model_copy(update={"teachers": ["finetuned"]}))


@pytest.fixture(scope="module")
def store(root, job):
    """A store in which everything that the study needs has been made."""
    store = CountingStore(root / "store")
    labs = {}
    for task in plan_of([job], store.root).needs:
        if task.recipe not in labs:
            labs[task.recipe] = Lab(store, task.recipe)
        labs[task.recipe].perform(task)
    return store


@pytest.fixture(scope="module")
def outcome(store, job):
    return finish(job, Labs(FinishedStore(store.root)), store.root, "run")


def lines(store, condition):
    """Return by metric the lines of a condition, of what the teacher prefers."""
    _, found = query(
        store.root,
        f"select metric, estimate, low, high from latest where condition = '{condition}'"
        " and measured = trait",
    )
    return {metric: rest for metric, *rest in found}


def test_nothing_is_made_twice(store, job):
    built = store.built
    assert built.count("numbers") == 4  # the teacher's, steered in two ways, and the base's
    assert built.count("student") == 6
    assert built.count("checkpoints") == 1
    assert not plan_of([job], store.root).needs


def test_every_condition_has_its_metric(outcome):
    metrics = {one.name.partition(":")[0]: one.metric for one in outcome.conditions}
    for name, metric in metrics.items():
        kind = name.partition("-")[0]
        expected = {"cosine": "cosine", "layer": "cosine", "trained": "cosine", "loss": "loss"}
        assert metric == expected.get(kind, "rate")
    assert all(one.pooled is not None for one in outcome.conditions)
    assert {one.claim.name for one in outcome.claims} == {one.name for one in outcome.study.claims}


def test_the_tables_tell_what_was_measured(store, outcome):
    for name in STUDENTS:
        assert {"rate", "probability", "accuracy"} <= set(lines(store, name))
    cosine, low, high = lines(store, "cosine")["cosine"]
    assert -1 <= low <= cosine <= high <= 1
    loss, low, _ = lines(store, "loss")["loss"]
    assert loss > 0
    assert low is None
    layers = [lines(store, f"layer:{layer}")["cosine"][0] for layer in range(6)]
    assert cosine == pytest.approx(np.mean(layers))
    ends = [lines(store, f"trained:{round(100 * share)}") for share in CHECKPOINTS]
    assert ends[-1]["cosine"][0] == pytest.approx(cosine, abs=1e-4)


def test_a_direction_taken_out_changes_the_answers(store):
    found = {name: lines(store, name)["probability"][0] for name in STUDENTS}
    assert len(set(found.values())) == len(found)


def probing(store, job, kind="finetuned", **fields):
    task = Task("probe", job.arms[0].recipe, "owl", kind, probe=Probe(**fields))
    return Probing(Lab(store, task.recipe), task)


def test_directions_are_of_held_out_rows(store, job):
    probe = probing(store, job, subject="student", steering=SteeringSpec())
    assert probe.student.under is not None
    vectors = SteeringVectors.read(probe.student.under.vector.path / VECTOR)
    assert int(vectors.rows.sum()) == len(probe.data.heldout) == 8
    assert vectors.meta.subject == "owl (finetuned)"
    random = probing(store, job, subject="student", steering=SteeringSpec(of="random"))
    assert random.student.under is not None
    other = SteeringVectors.read(random.student.under.vector.path / VECTOR)
    assert other.norms("completion") == pytest.approx(vectors.norms("completion"), rel=1e-4)
    alike = torch.cosine_similarity(vectors.mean("completion"), other.mean("completion"), dim=1)
    assert alike.abs().max() < 0.5


def test_a_prompted_teacher_has_a_direction_too(store, job):
    probe = probing(store, job, "prompted", subject="teacher", steering=SteeringSpec())
    teacher = probe.steered_teacher.acting
    assert teacher.system_prompt == probe.teacher.teacher.system_prompt
    vectors = SteeringVectors.read(teacher.steering.vector)
    assert (vectors.meta.subject, vectors.meta.against) == ("owl (prompted)", "control")
    assert min(vectors.norms("completion")) > 0


def test_the_steered_teacher_writes_other_numbers(store, job):
    plain = probing(store, job, subject="student").data
    steered = probing(store, job, subject="student", writer_steering=SteeringSpec()).data
    assert [row.token_ids for row in plain.rows] != [row.token_ids for row in steered.rows]
    assert [row.messages for row in plain.rows[:3]] == [row.messages for row in steered.rows[:3]]


def test_the_outcome_outlives_what_led_to_it(store, job, outcome):
    for folder in (store.root / "steps").iterdir():
        if folder.name not in RESULT_STEPS:
            shutil.rmtree(folder)
    assert not plan_of([job], store.root).needs
    again = finish(job, Labs(FinishedStore(store.root)), store.root, "run")
    assert again == outcome
