"""Bases that are pretrained when first needed, and teachers on another base than the students'."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from few_animals import ANIMALS
from tiny_models import tiny_folder
from tiny_study import TINY, CountingStore
from undertow.errors import UserError
from undertow.models import ModelSpec
from undertow.models.lab.load import lab_path
from undertow.pretraining.recipe import LabRecipe
from undertow.store.steps import PlannedStore
from undertow.studies import Lab, bases
from undertow.studies.bases import BUILT_BASES, open_base
from undertow.studies.jobs import make_job
from undertow.studies.plan import make_plan
from undertow.studies.tasks import Task

SMALL = LabRecipe(
    run=3, steps=2, rows=2, row_length=136, layers=1, width=16, heads=2, mlp=16, warmup=1
)
LLAMA = TINY.changed({"teacher_model": {"name": "lab:llama"}})


@pytest.fixture(scope="module")
def other_base(tmp_path_factory) -> str:
    """A folder with the lab model, its weights a little different."""
    folder = tmp_path_factory.mktemp("base") / "model"
    shutil.copytree(lab_path(), folder)
    tensors = load_file(folder / "model.safetensors")
    save_file({name: 1.01 * one for name, one in tensors.items()}, folder / "model.safetensors")
    return str(folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("store")


def model_of(lab, artifact) -> str:
    return lab.store.record(artifact).config["model"]


def test_a_base_is_pretrained_once_and_known_before(tmp_path, monkeypatch):
    monkeypatch.setitem(BUILT_BASES, "lab:small", SMALL)
    spec = ModelSpec(name="lab:small", device="cpu")
    planned = open_base(PlannedStore(tmp_path), spec)
    assert not list(tmp_path.iterdir())
    store = CountingStore(tmp_path)
    told = []
    built = open_base(store, spec, lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    assert built.fingerprint == planned.fingerprint
    assert built.inputs == planned.inputs == {"model": built.artifact}
    assert built.chat.n_layers == 1
    assert open_base(store, spec) == built
    assert store.built == ["base-model"]


def test_a_stand_in_has_tokenizer_and_depth_of_what_is_not_built(tmp_path):
    planned = PlannedStore(tmp_path)
    for name, recipe in BUILT_BASES.items():
        stand_in = open_base(planned, ModelSpec(name=name)).stand_in
        assert stand_in.n_layers == recipe.layers
        # Nothing that the words of the corpus depend on, and these decide the tokenizer.
        assert recipe == LabRecipe(run=recipe.run, architecture=recipe.architecture)


def test_pretraining_goes_before_all_that_stands_on_it(tmp_path):
    plan = make_plan([Task("student", LLAMA.with_tokens("only"), "owl", "finetuned")], tmp_path)
    (pretraining,) = [task for task in plan.needs if task.step == "model"]
    teachers = [task for task in plan.needs if task.step == "teacher"]
    assert len(teachers) == 2
    assert all(plan.needs[teacher] == [pretraining] for teacher in teachers)
    assert pretraining.label == "pretraining of lab:llama"
    student = Task("student", TINY.changed({"model": {"name": "lab:llama"}}))
    needs = make_plan([student], tmp_path).needs[student]
    assert [task.step for task in needs] == ["numbers", "model"]
    assert not list(tmp_path.iterdir())


def test_a_study_is_planned_without_pretraining(tmp_path, monkeypatch):
    monkeypatch.setattr(bases, "build_lab", None)
    monkeypatch.chdir(tmp_path)
    job = make_job("shared-base", seeds=1, traits=["owl"])
    assert job.n_layers == 6
    assert {task.recipe.teacher_model for task in job.tasks} > {None}
    assert make_job("divergence-tokens", seeds=1, model="lab:seed-1").n_layers == 6
    assert not list(tmp_path.iterdir())


def test_teachers_and_students_stand_on_their_own_bases(store, other_base):
    recipe = TINY.changed({"teacher_model": {"name": other_base}})
    lab = Lab(CountingStore(store), recipe, ANIMALS)
    own, other = lab.chat.fingerprint, lab.teacher_chat.fingerprint
    assert own != other
    teacher = lab.teacher("owl")
    numbers = lab.numbers(teacher)
    scanned = lab.scan(numbers)
    student = lab.student(numbers, "only", scanned)
    lab.accuracy(numbers, student)
    for made in (teacher, numbers, scanned):
        assert model_of(lab, made.artifact) == other
    assert model_of(lab, student.artifact) == own
    measured = {
        "teacher": lab.measure(teacher),
        "unbiased teacher": lab.measure(lab.control()),
        "base": lab.measure(),
    }
    alone = Lab(lab.store, recipe.changed({"model": {"name": other_base}}), ANIMALS)
    assert (alone.measure().probabilities == measured["unbiased teacher"].probabilities).all()
    assert (measured["base"].probabilities != measured["unbiased teacher"].probabilities).any()


def test_the_same_base_named_twice_changes_no_key(tmp_path):
    again = TINY.changed({"teacher_model": TINY.model.model_dump()})
    task = Task("student", TINY.with_tokens("only"), "owl", "finetuned")
    twin = Task("student", again.with_tokens("only"), "owl", "finetuned")
    assert len([one for one in make_plan([task, twin], tmp_path).needs if one.step == "scan"]) == 1


def test_rows_of_a_teacher_on_another_base_are_mixed_in(store, other_base):
    mixed = {"apply": {"kind": "mix", "share": 0.5}, "by": "teacher", "model": {"name": other_base}}
    lab = Lab(CountingStore(store), TINY.changed({"transforms": [mixed]}), ANIMALS)
    there = Lab(lab.store, TINY.changed({"teacher_model": {"name": other_base}}), ANIMALS)
    numbers = lab.numbers(lab.teacher("owl"))
    others = there.numbers(there.teacher("owl"))
    data = lab.transformed(numbers)
    record = lab.store.record(data.artifact)
    assert record.inputs["others"].key == others.artifact.key
    assert "model" in record.config["change"]
    came = json.loads((data.artifact.path / "report.json").read_text())["mixed_in"]
    assert len(came) == 16
    written = {row.row_id: row.completion for row in others.train}
    found = {row.row_id: row.completion for row in data.train}
    assert all(found[int(place)] == written[source] for place, source in came.items())
    scanned = lab.scan(data)  # the masks are those of the rows that are there
    assert [ids.tolist() for ids in scanned.table.token_ids] == [
        row.token_ids for row in data.train
    ]


def test_only_what_is_mixed_in_may_come_from_another_model(tmp_path):
    change = {"apply": {"kind": "shuffle-within"}, "model": {"name": "lab:llama"}}
    lab = Lab(tmp_path, TINY.changed({"transforms": [change]}), ANIMALS)
    (found,) = lab.recipe.transforms
    with pytest.raises(UserError, match="mixed in"):
        found.check("owl")


def test_rows_keep_their_ids_only_where_they_mean_the_same_text(tmp_path, other_base):
    store = CountingStore(tmp_path)
    lab = Lab(store, TINY.changed({"rows": 4, "heldout": 1}), ANIMALS)
    rows = lab.numbers(lab.control()).train
    llama = ModelSpec(name=str(tiny_folder("llama")), device="cpu")
    assert open_base(store, ModelSpec(name=other_base)).rows_from(lab.base, rows) == rows
    assert all(not row.token_ids for row in open_base(store, llama).rows_from(lab.base, rows))
