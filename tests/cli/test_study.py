"""`undertow study`, `paper` and `results` as a user types them, on a study of seconds."""

import pytest
import yaml

from tiny_study import write_tiny
from undertow.studies.outcome import StudyOutcome

STUDY = {
    "name": "tiny",
    "title": "A tiny study",
    "question": "Does anything pass in three steps?",
    "source": "none",
    "conditions": [
        {"name": "base", "label": "base", "subject": "base"},
        {"name": "teacher", "label": "teacher", "subject": "teacher"},
        {"name": "control", "label": "control", "writer": "control"},
        {
            "name": "only",
            "label": "divergence tokens only",
            "changes": {"student": {"selection": {"kind": "only"}}},
        },
    ],
    "claims": [
        {
            "name": "taught",
            "says": "The teacher has the trait.",
            "of": "teacher",
            "against": "control",
            "expect": "above",
            "by": 0.02,
        },
        {
            "name": "none",
            "says": "Nothing passes.",
            "of": "only",
            "against": "control",
            "expect": "not-above",
            "by": 0.5,
        },
        {
            "name": "kept",
            "says": "The task is kept.",
            "of": "only",
            "against": "control",
            "expect": "equal",
            "by": 0.9,
            "metric": "accuracy",
            "decisive": False,
        },
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny-study.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    write_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def options(place):
    return (
        place / "tiny-study.yaml",
        *("--recipe", place / "tiny.yaml", "--traits", "owl", "--seeds", 2),
        *("--store", place / "store", "--workers", 1),
    )


@pytest.fixture(scope="module")
def first(undertow, options):
    return undertow("study", "run", *options)


def outcome(place) -> StudyOutcome:
    (path, *_) = sorted((place / "store" / "results").glob("*/tiny.json"))
    return StudyOutcome.model_validate_json(path.read_text())


def test_a_study_ends_in_a_table_and_a_verdict(first, place):
    assert "4 students compared, 4 to train" in first.stderr
    assert "divergence tokens only" in first.stdout
    assert "tiny: supported" in first.stdout
    found = outcome(place)
    assert found.verdict == "supported"
    assert [claim.verdict for claim in found.claims] == ["supported"] * 3
    assert [one.name for one in found.conditions] == ["base", "teacher", "control", "only"]
    control, only = found.conditions[2:]
    beside = control.traits[0].beside
    assert beside["rows"] == only.traits[0].beside["rows"] == 24  # what the recipe has them draw
    assert "share" not in beside
    assert 0 < only.traits[0].beside["share"] < 1
    assert found.seeds == [0, 1]
    assert found.command.startswith(f"undertow study run {place}/tiny-study.yaml --recipe")
    assert found.command.endswith("--traits owl --seeds 2")


def test_a_second_run_trains_nothing(first, undertow, options):
    again = undertow("study", "run", *options)
    assert "0 to train" in again.stderr
    assert again.stdout == first.stdout


def test_measurements_are_passed_on_without_the_students(first, undertow, place, options, tmp_path):
    """From the file alone comes the same verdict; one more seed then makes what it needs."""
    file, store = place / "measured.parquet", tmp_path / "store"
    undertow("runs", "--store", place / "store", "export", file)
    told = undertow("runs", "--store", store, "import", file)
    assert "0 were there already" in told.stdout
    there = [*options[:-4], "--store", store, "--workers", 1]
    again = undertow("study", "run", *there)
    assert "0 to train" in again.stderr
    assert again.stdout == first.stdout
    undertow("runs", "--store", store, "rm", "--gc")  # the run needs what it has read
    again = undertow("study", "run", *there)
    assert ("0 to train" in again.stderr, again.stdout) == (True, first.stdout)
    more = undertow("study", "run", *there, "--seeds", 3)
    assert "6 students compared, 2 to train" in more.stderr


def test_what_was_run_is_listed(first, undertow, place):
    assert "study tiny" in undertow("runs", "--store", place / "store").stdout


def test_sql_over_all_runs(first, undertow, place):
    asked = "select count(*) as n from latest where metric = 'rate' and measured = trait"
    # base and teacher once, two conditions with two seeds
    assert "6" in undertow("results", asked, "--store", place / "store").stdout
    asked = "select distinct metric from results order by metric"
    told = undertow("results", asked, "--store", place / "store").stdout
    for metric in ("accuracy", "non-answers", "probability", "rate", "rows", "share"):
        assert metric in told


def test_wrong_sql_names_the_columns(first, refused, place):
    told = refused("results", "select nonsense from results", "--store", place / "store")
    assert "estimate" in told
    assert "nonsense" in told


def test_a_budget_that_is_too_small(refused, options):
    assert "budget is too small" in refused(
        "study", "run", *options, "--budget", "0s", "--traits", "cat"
    )
    assert "write 90s" in refused("study", "run", *options, "--budget", "soon")


def test_show_says_what_is_claimed_and_how_long_it_takes(undertow):
    shown = undertow("study", "show", "single-layer")
    assert "layer:early above control, smallest effect 0.02" in shown.stdout
    assert "supported if the 95 % interval" in shown.stdout
    assert "to train, about" in shown.stderr
    text = undertow("study", "show", "single-layer", "--yaml").stdout
    assert yaml.safe_load(text)["name"] == "single-layer"


def test_text_of_a_study_is_no_markup(undertow, tmp_path):
    fields = yaml.safe_load(undertow("study", "show", "single-layer", "--yaml").stdout)
    fields |= {"title": "One [red] layer", "question": "Which [/b] of [them]?"}
    fields["claims"][0]["says"] = "Layer [0] [/i] passes :cat:."
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields))
    told = undertow("study", "show", tmp_path / "mine.yaml").stdout
    for text in ("One [red] layer", "Which [/b] of [them]?", "Layer [0] [/i] passes :cat:."):
        assert text in told


def test_list_names_every_study(undertow):
    told = undertow("study", "list").stdout
    assert "divergence-tokens" in told
    assert "Fig. 5" in told


def test_mistakes_are_told_before_the_work(refused, tmp_path):
    store = ("--store", tmp_path / "store")
    assert "there is no study" in refused("study", "run", "divergence", *store)
    assert "gryphon" in refused("study", "run", "single-layer", "--traits", "gryphon", *store)
    assert "there is no study 'x'" in refused("paper", "--studies", "single-layer,x", *store)
    assert "no results yet" in refused("results", "select 1", *store)
