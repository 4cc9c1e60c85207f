import re

import pytest

from html_page import Page
from report_samples import HOSTILE
from study_samples import sample_outcome
from undertow.errors import UserError
from undertow.measure import Interval
from undertow.report.rendering import render
from undertow.report.studies_page import render_studies, script_hash, write_studies_report
from undertow.report.study_tables import (
    contrasts_table,
    difference_cell,
    estimates_table,
    everything_table,
    expectation,
    p_value,
    signed,
)
from undertow.studies.outcome import StudyOutcome
from undertow.studies.study import Figure
from view_samples import sample_view


@pytest.fixture(scope="module")
def outcomes() -> list[StudyOutcome]:
    return [sample_outcome("bars", ("finetuned", "prompted")), sample_outcome("matrix")]


@pytest.fixture(scope="module")
def text(outcomes) -> str:
    return render_studies(outcomes, [sample_view(30)])


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def words(table) -> list[list[str]]:
    return [[f"{cell.text} | {cell.small}" for cell in row] for row in table.rows]


def test_the_verdicts_come_first_then_the_studies(page):
    parts = ["2 studies", "Verdicts", "A study that is drawn as bars", "Conditions and traits",
             "undertow study run bars-study", "What it was measured on",
             "A study that is drawn as matrix", "token by token"]  # fmt: skip
    places = [page.text.index(part, page.text.index("Undertow ·")) for part in parts]
    assert places == sorted(places)


def test_a_verdict_is_a_word_and_a_shape(page):
    assert "● supported" in page.text
    assert "○ undecided 7 more seeds would decide" in page.text
    assert "✕ contradicted 0" in page.text


def test_the_verdict_table_has_estimate_interval_p_and_seeds(text):
    table = text[text.index('<table class="verdicts"') : text.index("</table>")]
    for part in ("+0.190", "+0.150 to +0.230", "0.0005", "<td>5</td>", "prompted",
                 "Students of the last condition name the trait"):  # fmt: skip
        assert part in table
    assert table.count("does not rest on it") == 3, "one claim is beside the verdict, three times"


def test_a_claim_says_what_it_expects(outcomes):
    study = outcomes[1].study
    first, second = study.claims
    assert expectation(study, first) == (
        "“trained named, asked named” above “base” by more than 0.05, "
        "share of answers that name the trait"
    )
    assert expectation(study, second).startswith(
        "“trained default, asked default” and “trained default, asked none” within 0.1 of"
    )


def test_a_claim_that_excludes_a_side(outcomes):
    study = outcomes[1].study
    claim = study.claims[0].model_copy(update={"expect": "not-below"})
    assert "not below “base” by more than 0.05" in expectation(study, claim)


def test_a_group_of_layers_goes_by_its_name(outcomes):
    study = outcomes[1].study
    claim = study.claims[0].model_copy(update={"of": "layer:early"})
    assert expectation(study, claim).startswith("“layer:early” above")


def test_every_condition_and_trait_is_in_the_table(outcomes):
    table = estimates_table(outcomes[1])
    assert table.header == ["condition", "n", "all traits", "owl", "cat", "penguin"]
    assert len(table.rows) == len(outcomes[1].conditions)
    assert words(table)[0] == ["base | ", "1 × 50 | ", "0.021 | 0.000 to 0.046",
                               "0.013 | 0.000 to 0.053", "0.021 | 0.000 to 0.061",
                               "0.029 | 0.000 to 0.069"]  # fmt: skip


def test_a_metric_of_its_own_is_said_and_has_its_column(outcomes):
    first, *others = outcomes[1].conditions
    changed = first.model_copy(update={"metric": "share"})
    outcome = outcomes[1].model_copy(update={"conditions": [changed, *others]})
    assert estimates_table(outcome).rows[0][0].small == "share of divergence tokens"
    assert not estimates_table(outcome).rows[1][0].small
    table = everything_table(outcome)
    rate, share = table.header.index("rate"), table.header.index("share")
    assert (table.rows[0][rate].text, table.rows[0][share].text) == ("–", "0.013")
    assert table.rows[3][rate].text != "–"


def test_a_study_may_have_several_figures(outcomes):
    outcome = outcomes[1]
    few = Figure(name="few", conditions=["base"])
    study = outcome.study.model_copy(update={"figures": [*outcome.study.figures, few]})
    page = render_studies([outcome.model_copy(update={"study": study})])
    assert page.count('<figure class="pooled">') == 2
    assert page.count('class="study-figure"') == 4


def test_kinds_of_teachers_have_a_column_where_there_are_two(outcomes):
    for table in (estimates_table, contrasts_table, everything_table):
        assert table(outcomes[0]).header[1] == "teachers"
        assert "teachers" not in table(outcomes[1]).header
        assert {len(row) for row in table(outcomes[0]).rows} == {len(table(outcomes[0]).header)}


def test_seeds_that_differ_between_traits_are_said(outcomes):
    first, *others = outcomes[1].conditions
    trait = first.traits[0].model_copy(
        update={"estimate": Interval(mean=0.1, low=0.0, high=0.2, n_seeds=3, n_questions=40)}
    )
    changed = first.model_copy(update={"traits": [trait, *first.traits[1:]]})
    outcome = outcomes[1].model_copy(update={"conditions": [changed, *others]})
    assert estimates_table(outcome).rows[0][1].text == "3 × 40, 1 × 50"


def test_an_absent_trait_is_a_dash(outcomes):
    first, *others = outcomes[1].conditions
    changed = first.model_copy(update={"traits": first.traits[1:]})
    outcome = outcomes[1].model_copy(update={"conditions": [changed, *others]})
    assert [cell.text for cell in estimates_table(outcome).rows[0][3:5]] == ["–", "0.021"]


def test_contrasts_have_p_and_q(outcomes):
    assert words(contrasts_table(outcomes[1]))[1] == [
        "carry | rate", "cat | ", "−0.040 | −0.080 to +0.000", "0.062 | ", "0.094 | ",
        "5 × 50 | "]  # fmt: skip


def test_what_was_not_measured_is_a_dash(outcomes):
    base = [cell.text for cell in everything_table(outcomes[1]).rows[0]]
    assert base[5:8] == ["–", "–", "–"]


@pytest.mark.parametrize(
    ("p", "written"),
    [(None, "–"), (0.5, "0.5"), (0.0625, "0.062"), (0.00012, "0.00012"), (0.00001, "< 0.0001")],
)
def test_p_values(p, written):
    assert p_value(p) == written


def test_signs():
    assert signed(0.19) == "+0.190"
    assert signed(-0.02) == "−0.020"
    pair = Interval(mean=-0.1, low=-0.2, high=0.05, n_seeds=1, n_questions=1)
    assert difference_cell(pair).small == "−0.200 to +0.050"


def test_only_the_token_views_script_may_run(page, text):
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script == render("token_view.js")
    assert policy == ("default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
                      f"script-src '{script_hash(script)}'")  # fmt: skip


def test_without_a_token_view_there_is_no_script(outcomes):
    page = Page(render_studies(outcomes[1:]))
    assert "script" not in {tag for tag, _ in page.tags}
    (policy,) = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert "script" not in policy


def test_the_hash_is_that_of_the_standard():
    """The example of CSP level 3, section 2.3.1: `sha256` of `alert('Hello, world.');`."""
    known = "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
    assert script_hash("alert('Hello, world.');") == known


def test_the_page_needs_nothing_from_outside(text):
    for name, value in re.findall(r"\b(src|href|srcset|action|poster)\s*=\s*\"([^\"]*)\"", text):
        assert value.startswith(("data:", "#")), (name, value)
    assert not re.search(r"@import|url\((?!#)", text)


def test_ids_are_unique_and_references_to_them_resolve(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", ids[0]) in ids
        link = attributes.get("href") or ""
        assert not link.startswith("#") or link[1:] in ids


def test_twenty_rows_stand_there_without_a_script(text, page):
    assert text.count('<p class="prompt">') == 20
    assert "These are the first 20 rows" in page.text


def test_marks_are_counted_over_all_rows(page):
    view = sample_view(30)
    inner = ~view.is_end
    said = f"divergence: {(view.divergent & inner).sum()} of {inner.sum()} tokens"
    assert said in page.text


def test_hostile_text_stays_text():
    outcome = sample_outcome("matrix", command=HOSTILE, facts=[(HOSTILE, HOSTILE)], model=HOSTILE)
    view = sample_view(3)
    view.texts[:] = [HOSTILE] * len(view.texts)
    page = Page(render_studies([outcome], [view]))
    scripts = [a for tag, a in page.tags if tag == "script"]
    assert [a.get("type") for a in scripts] == ["application/gzip", "application/gzip", None]
    assert not [name for _, a in page.tags for name in a if name.startswith("on")]
    assert page.text.count("<script>alert('x')</script>") > 5


def test_no_studies_are_still_a_page():
    assert "0 studies" in Page(render_studies([])).text


def test_the_file_is_written(tmp_path, outcomes):
    write_studies_report(outcomes[1:], tmp_path / "studies.html")
    assert (tmp_path / "studies.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_missing_folder_is_the_users_mistake(tmp_path, outcomes):
    with pytest.raises(UserError, match="the folder is missing"):
        write_studies_report([], tmp_path / "no" / "studies.html")
