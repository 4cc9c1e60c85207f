import re

import pytest

from html_page import Page
from report_samples import BARS, REFERENCES, hostile, sample
from undertow.errors import UserError
from undertow.report import ReportTable, write_report
from undertow.report.html import numbers_table, render_report
from undertow.report.rendering import render, shade, times


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_report(sample()))


def test_the_parts_come_in_order(page):
    parts = ["An owl passes", "The student's rate is 0.148.", "47 % of the tokens", "The numbers",
             "Whole rows", "1 row of the data", "Settings and provenance"]  # fmt: skip
    # The title stands in the head too: look from the body on.
    body = page.text[page.text.index("Undertow") :]
    places = [body.index(part) for part in parts]
    assert places == sorted(places)


def test_the_table_beside_the_figure_has_all_its_numbers():
    table = numbers_table(BARS, REFERENCES)
    assert table.header == ["Condition", "Mean", "Interval", "Seed 1", "Seed 2"]
    assert table.rows[0] == ["all tokens", "0.148", "0.112 to 0.187", "0.168", "0.128"]
    assert table.rows[-1] == ["teacher", "0.961", "", "", ""]


def test_marks_and_their_counts(page):
    marks = [attributes["class"] for tag, attributes in page.tags if tag == "mark"]
    assert marks[-3:] == ["divergence", "undecided", "end divergence"]
    assert "divergence: 1 of 3 tokens (33 %)" in page.text
    assert "undecided (a near tie): 1" in page.text
    assert "end of turn: 1, of which 1 where" in page.text
    assert "1 of 3 tokens diverge" in page.text


def test_tokens_stand_together_as_the_teacher_wrote_them():
    text = render_report(sample())
    row = re.search(r'<p class="tokens">(.*?)</p>', text, re.DOTALL).group(1)
    assert re.sub("<[^>]*>", "", row) == "425end"


def test_what_the_others_would_have_written_is_listed(page):
    assert "1 4 penguin 7, base 4" in page.text
    assert "4 end base ','" in page.text


def test_the_marks_do_not_rest_on_colour():
    css = render("report.css")
    for kind, style in (("divergence", "font-weight: 700"), ("undecided", "dotted"),
                        ("end", "border: 1px solid")):  # fmt: skip
        assert style in re.search(rf"mark\.{kind} {{(.*?)}}", css).group(1)


def test_cells_are_shaded_by_ratio_and_say_it(page):
    cells = [attributes.get("class") for tag, attributes in page.tags if tag == "td"]
    assert "up3" in cells
    assert "down2" in cells
    assert "6.2×" in page.text


def test_the_row_of_the_trait_stands_out(page):
    assert [a.get("class") for tag, a in page.tags if tag == "tr"].count("own") == 1


@pytest.mark.parametrize(
    ("ratio", "name"),
    [(40, "up3"), (4, "up3"), (2, "up2"), (1.9, "up1"), (1.25, "up1"), (1.2, ""), (0.8, ""),
     (0.79, "down1"), (0.5, "down1"), (0.49, "down2"), (0, "down2"), (-1, "down2")],
)  # fmt: skip
def test_shades(ratio, name):
    assert shade(ratio) == name


@pytest.mark.parametrize(("ratio", "text"), [(6.17, "6.2×"), (9.94, "9.9×"), (9.96, "10×")])
def test_ratios_as_text(ratio, text):
    assert times(ratio) == text


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast as WCAG 2 defines it; 4.5 is enough for small text."""
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_on_every_ground(scheme):
    light, dark = re.findall(r":root {(.*?)}", render("report.css"), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light if scheme == "light" else dark))
    for ground in ("ground", "up1", "up2", "up3", "down1", "down2"):
        assert contrast(colours["ink"], colours[ground]) >= 4.5, ground
    assert contrast(colours["soft"], colours["ground"]) >= 4.5
    assert contrast(colours["mark-ink"], colours["mark"]) >= 4.5
    assert contrast(colours["accent"], colours["bar"]) >= 3


def test_the_page_needs_nothing_from_outside(page):
    text = render_report(sample())
    for name, value in re.findall(r"\b(src|href|srcset|action|poster)\s*=\s*\"([^\"]*)\"", text):
        assert value.startswith(("data:", "#")), (name, value)
    assert not re.search(r"url\(|@import", text)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "object", "form"})
    policies = [a["content"] for tag, a in page.tags if a.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_hostile_text_stays_text():
    page = Page(render_report(hostile()))
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [name for _, a in page.tags for name in a if name.startswith("on")]
    assert page.text.count("<script>alert('x')</script>\"&\ufffd\ufffd") > 15


def test_ids_are_unique_and_references_to_them_resolve(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name, ids[0]) in ids


def test_parts_without_content_are_left_out():
    page = Page(render_report(sample(bars=[], references=[], tables=[], rows=[], facts=[])))
    assert {tag for tag, _ in page.tags}.isdisjoint({"table", "figure", "ol", "dl"})


def test_a_table_without_rows_has_its_heading():
    table = ReportTable(title="Empty", header=["a"], rows=[])
    assert "Empty" in Page(render_report(sample(tables=[table]))).text


def test_the_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "report.html"
    write_report(sample(title="first"), path)
    write_report(hostile(), path)
    assert path.read_text(encoding="utf-8") == render_report(hostile())
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_missing_folder_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="the folder is missing"):
        write_report(sample(), tmp_path / "no" / "report.html")
