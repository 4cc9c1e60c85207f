"""The studies that ship, and what becomes of mistakes in one's own."""

import pytest
import yaml

from undertow.errors import UserError
from undertow.studies.grid import arms, named
from undertow.studies.recipe import load_recipe
from undertow.studies.study import Study, load_study, shipped_studies

RECIPE = load_recipe("lab")
FIELDS = {
    "name": "mine",
    "title": "Mine",
    "question": "Does it?",
    "source": "none",
    "conditions": [
        {"name": "all", "label": "all"},
        {"name": "control", "label": "control", "writer": "control"},
        {"name": "layer", "label": "layer", "each": "layer"},
    ],
    "claims": [
        {
            "name": "passes",
            "says": "It passes.",
            "of": "all",
            "against": "control",
            "expect": "above",
            "by": 0.02,
        }
    ],
}


def written(folder, **changes):
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(FIELDS | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_are_whole(name):
    study = load_study(name)
    assert study.name == name
    assert Study.model_validate(yaml.safe_load(yaml.safe_dump(study.model_dump()))) == study
    assert any(claim.decisive for claim in study.claims)
    for kind in study.teachers:
        found = [arm.spec.name for arm in arms(study, kind, RECIPE, 6)]
        assert len(set(found)) == len(found)
        for claim in study.claims_on(kind):
            for side in claim.sides:
                assert all(named(one, found) for one in side)


def test_a_layer_study_has_the_depth_of_the_model():
    study = Study.model_validate(FIELDS)
    found = arms(study, "finetuned", RECIPE, 3)
    layers = [arm for arm in found if arm.spec.name.startswith("layer:")]
    assert [arm.recipe.student.train.layers for arm in layers] == [[0], [1], [2]]
    assert [arm.spec.x for arm in layers] == [0, 1, 2]


def test_layers_from_trains_all_above():
    fields = FIELDS | {
        "conditions": [
            *FIELDS["conditions"][:2],
            {"name": "up", "label": "", "each": "layers-from"},
        ]
    }
    found = arms(Study.model_validate(fields), "finetuned", RECIPE, 3)
    assert [arm.recipe.student.train.layers for arm in found[2:]] == [[0, 1, 2], [1, 2], [2]]


def test_a_condition_for_each_tenth_of_the_completions():
    place = {"name": "place", "label": "completion", "subject": "data", "each": "tenth"}
    fields = FIELDS | {"conditions": [*FIELDS["conditions"][:2], place]}
    found = arms(Study.model_validate(fields), "finetuned", RECIPE, 3)[2:]
    assert [arm.spec.tokens.tenth for arm in found] == list(range(10))
    last = found[9].spec
    assert (last.name, last.label, last.x) == ("place:9", "completion 90 to 100 %", 95.0)
    assert {task.step for arm in found for task in arm.tasks("cat", [0])} == {"share"}


def test_a_claim_is_about_the_studys_metric_where_it_names_none():
    claims = [FIELDS["claims"][0], FIELDS["claims"][0] | {"name": "task", "metric": "accuracy"}]
    assert [one.metric for one in Study.model_validate(FIELDS | {"claims": claims}).claims] == [
        "rate", "accuracy"]  # fmt: skip
    fields = FIELDS | {"claims": claims, "metric": "share"}
    assert [one.metric for one in Study.model_validate(fields).claims] == ["share", "accuracy"]


def test_a_condition_for_one_kind_of_teacher():
    """What is said of it is said of that kind alone."""
    conditions = [*FIELDS["conditions"][:2], {"name": "x", "label": "", "teachers": ["finetuned"]}]
    names = [one["name"] for one in conditions]
    claims = [
        {"name": "about-x", "says": "", "of": ["x", names[1]], "against": names[0]},
        {"name": "other", "says": "", "of": names[1], "against": names[0]},
    ]
    study = Study.model_validate(
        FIELDS
        | {"conditions": conditions, "teachers": ["finetuned", "prompted"]}
        | {"claims": [one | {"expect": "above", "by": 0.1} for one in claims]}
    )
    assert [arm.spec.name for arm in arms(study, "finetuned", RECIPE, 3)] == names
    assert [arm.spec.name for arm in arms(study, "prompted", RECIPE, 3)] == names[:2]
    assert [one.name for one in study.claims_on("finetuned")] == ["about-x", "other"]
    assert [one.name for one in study.claims_on("prompted")] == ["other"]


def test_names_of_layers_in_claims():
    names = ["base", *(f"layer:{n}" for n in range(7))]
    assert named("layer:first", names) == ["layer:0"]
    assert named("layer:last", names) == ["layer:6"]
    assert named("layer:early", names) == ["layer:0", "layer:1"]
    assert named("layer:late", names) == ["layer:5", "layer:6"]
    assert named("layer:3", names) == ["layer:3"]
    assert named("layer:early", ["layer:0", "layer:1"]) == ["layer:0"]
    with pytest.raises(UserError, match="layer:9"):
        named("layer:9", names)


def test_a_condition_changes_the_recipe_and_nothing_else():
    changes = {"student": {"selection": {"kind": "only"}, "train": {"rank": 4}}}
    fields = FIELDS | {"conditions": [{"name": "all", "label": "", "changes": changes}]}
    fields["claims"] = [FIELDS["claims"][0] | {"against": "all"}]
    (arm,) = arms(Study.model_validate(fields), "finetuned", RECIPE, 6)
    assert arm.recipe.student.train.rank == 4
    assert arm.recipe.student.selection.kind == "only"
    assert arm.recipe.changed({"student": RECIPE.student.model_dump()}) == RECIPE


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tittle": "x"}, "tittle"),
        (
            {"conditions": [FIELDS["conditions"][0] | {"writer": "other", "subject": "teacher"}]},
            "another trait's teacher",
        ),
        ({"claims": [FIELDS["claims"][0] | {"of": "alll"}]}, "alll"),
        ({"claims": []}, "claims"),
        ({"claims": "none", "metric": "share"}, "claims"),
        ({"figures": [{"conditions": ["al"]}]}, "names no condition: 'al'"),
        ({"figures": [{}, {"kind": "curve"}]}, "figures have the same name"),
        ({"conditions": [FIELDS["conditions"][0]] * 2}, "same name"),
    ],
)
def test_a_malformed_study_names_file_and_field(tmp_path, changes, told):
    path = written(tmp_path, **changes)
    with pytest.raises(UserError, match=told) as caught:
        load_study(path)
    assert caught.value.where == str(path)


def test_no_yaml_and_no_study(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: [1\nb: 2", encoding="utf-8")
    with pytest.raises(UserError, match="not YAML") as caught:
        load_study(path)
    assert "line 2" in caught.value.where
    with pytest.raises(UserError, match="no study 'divergence'") as caught:
        load_study("divergence")
    assert "divergence-tokens" in caught.value.fix


def test_a_condition_with_an_unknown_setting_is_named(tmp_path):
    conditions = [{"name": "all", "label": "", "changes": {"student": {"rang": 3}}}]
    claims = [FIELDS["claims"][0] | {"against": "all"}]
    study = load_study(written(tmp_path, conditions=conditions, claims=claims))
    with pytest.raises(UserError, match=r"student\.rang") as caught:
        arms(study, "finetuned", RECIPE, 6)
    assert "condition all" in caught.value.where
