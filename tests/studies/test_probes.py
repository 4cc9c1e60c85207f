"""Directions in studies: what is planned, and what mistakes are told of."""

import pytest

from few_animals import ANIMALS
from tiny_study import TINY
from undertow.errors import UserError
from undertow.store.steps import PlannedStore
from undertow.studies import Lab
from undertow.studies.condition_spec import ConditionSpec
from undertow.studies.grid import arms
from undertow.studies.plan import make_plan
from undertow.studies.probe import CHECKPOINTS, CosineSpec, Probe, SteeringSpec
from undertow.studies.probing import Probing
from undertow.studies.study import load_study
from undertow.studies.tasks import Task

OUT = SteeringSpec()
DIRECTION = Probe(subject="direction", cosine=CosineSpec())


def probe_task(probe, seed=0, recipe=TINY):
    return Task("probe", recipe, "owl", "finetuned", seed, probe=probe)


def planned(*tasks, root):
    """Return what is done for some tasks, as words."""
    return sorted(
        task.probe.subject if task.probe else task.step for task in make_plan(tasks, root).needs
    )


def keys(lab, subject):
    """Return what the measurement of a subject is told apart by."""
    told = {}

    def step(name, base, settings, inputs, build):
        told.update(settings=settings, inputs=inputs)
        return Lab.step(lab, name, base, settings, inputs, build)

    lab.step = step
    lab.measured(subject)
    return told


def test_a_student_that_is_asked_without_a_direction_is_trained_once(tmp_path):
    """With the plain student, whatever is done to it when it is asked."""
    tasks = [
        Task("student", TINY, "owl", "finetuned"),
        *(
            probe_task(Probe(subject="student", steering=SteeringSpec(of=whose)))
            for whose in ("teacher", "student", "random")
        ),
        probe_task(DIRECTION),
        probe_task(Probe(subject="loss")),
    ]
    found = planned(*tasks, root=tmp_path)
    assert found == [
        "direction", "loss", "numbers", *["student"] * 4, "teacher"]  # fmt: skip
    assert sum(task.work == "student" for task in make_plan(tasks, tmp_path).needs) == 1


def test_another_direction_needs_another_teacher(tmp_path):
    other = Probe(subject="student", steering=SteeringSpec(of="other"))
    assert planned(probe_task(other), root=tmp_path).count("teacher") == 2


def test_a_steered_teacher_writes_once_for_all_students(tmp_path):
    wanted = [
        Probe(subject="student", writer_steering=OUT),
        Probe(subject="direction", writer_steering=OUT, cosine=CosineSpec()),
        Probe(subject="loss", writer_steering=OUT),
    ]
    tasks = [probe_task(probe, seed) for probe in wanted for seed in (0, 1)]
    plan = make_plan(tasks, tmp_path)
    subjects = [task.probe.subject for task in plan.needs if task.probe]
    assert subjects.count("numbers") == 1
    assert subjects.count("student") == 2
    (writes,) = [task for task in plan.needs if task.probe and task.probe.subject == "numbers"]
    for task in plan.needs:
        if task.work == "student":
            assert writes in plan.needs[task]
        elif task.probe and task.probe.subject in ("direction", "loss"):
            assert any(need.work == "student" for need in plan.needs[task])


def test_checkpoints_are_of_one_training(tmp_path):
    cosines = [CosineSpec(checkpoint=share) for share in CHECKPOINTS]
    tasks = [probe_task(Probe(subject="direction", cosine=cosine)) for cosine in cosines]
    plan = make_plan(tasks, tmp_path)
    assert sum(task.work == "student" for task in plan.needs) == 1
    assert len({lab_keys(task) for task in tasks}) == len(CHECKPOINTS)


def lab_keys(task):
    return Lab(PlannedStore("nowhere"), TINY).perform(task)[0].key


def test_a_place_or_a_layer_of_a_cosine_is_read_and_not_computed_anew():
    tasks = [
        probe_task(Probe(subject="direction", cosine=cosine))
        for cosine in (CosineSpec(), CosineSpec(layer=2), CosineSpec(at="header"))
    ]
    assert len({lab_keys(task) for task in tasks}) == 1


def test_all_that_is_done_is_in_the_key():
    specs = [
        OUT,
        SteeringSpec(of="random"),
        SteeringSpec(of="random", seed=1),
        SteeringSpec(of="other"),
        SteeringSpec(of="student"),
        SteeringSpec(at="header"),
        SteeringSpec(layers=(2,)),
        SteeringSpec(mode="add"),
        SteeringSpec(strength=0.5),
    ]
    tasks = [probe_task(Probe(subject="student", steering=spec)) for spec in specs]
    tasks.append(probe_task(Probe(subject="student")))
    assert len({lab_keys(task) for task in tasks}) == len(tasks)
    random = probe_task(Probe(subject="student", steering=specs[1]), seed=1)
    assert lab_keys(random) not in {lab_keys(task) for task in tasks}


def test_steps_without_directions_are_told_apart_as_before():
    """What stores hold already stays valid: nothing is said where nothing is done."""
    lab = Lab(PlannedStore("nowhere"), TINY, ANIMALS)
    teacher = lab.teacher("owl")
    student = lab.student(lab.numbers(teacher))
    for subject in (teacher, student):
        told = keys(lab, subject)
        assert set(told["settings"]) == {"measure", "traits", "system_prompt"}
        assert set(told["inputs"]) == {"subject"}
    plain = lab_keys(Task("student", TINY, "owl", "finetuned"))
    assert lab_keys(probe_task(Probe(subject="student"))) == plain


def test_directions_of_another_base_are_refused():
    recipe = TINY.changed({"teacher_model": {"name": "lab:llama"}})
    task = probe_task(DIRECTION, recipe=recipe)
    with pytest.raises(UserError, match="another") as caught:
        Probing(Lab(PlannedStore("nowhere"), recipe), task)
    assert "teacher_model" in caught.value.fix


def test_without_another_teacher_none_is_compared():
    recipe = TINY.changed({"counterfactuals": 0})
    other = probe_task(Probe(subject="direction", cosine=CosineSpec(of="other")), recipe=recipe)
    with pytest.raises(UserError, match="no other teacher"):
        Lab(PlannedStore("nowhere"), recipe).perform(other)


def test_conditions_over_layers_and_checkpoints():
    found = {arm.spec.name: arm.spec for arm in arms(load_study("steering"), "finetuned", TINY, 3)}
    after = [spec for name, spec in found.items() if name.startswith("layer:")]
    assert [(spec.cosine.layer, spec.x) for spec in after] == [(0, 0), (1, 1), (2, 2)]
    over = [spec for name, spec in found.items() if name.startswith("trained:")]
    assert tuple(spec.cosine.checkpoint for spec in over) == CHECKPOINTS
    assert [spec.x for spec in over] == [100 * share for share in CHECKPOINTS]
    assert found["trained:5"].label.endswith("5 %")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"subject": "direction"}, "compared"),
        ({"cosine": {}}, "compared"),
        ({"each": "checkpoint"}, "directions alone"),
        ({"subject": "base", "steering": {}}, "students and teachers"),
        ({"subject": "loss", "steering": {}}, "students and teachers"),
        ({"writer": "control", "writer_steering": {}}, "control writes"),
        ({"subject": "teacher", "writer_steering": {}}, "what students learn"),
        ({"subject": "data", "writer_steering": {}}, "what students learn"),
        ({"subject": "teacher", "steering": {"of": "student"}}, "no student's"),
        ({"writer_steering": {"of": "student"}}, "no student's"),
        ({"steering": {"mode": "away"}}, "mode"),
    ],
)
def test_conditions_that_make_no_sense(fields, told):
    with pytest.raises(ValueError, match=told):
        ConditionSpec(name="it", label="it", **fields)
