import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from report_samples import BARS, HOSTILE, REFERENCES
from undertow.report import Bar, Reference, bars_svg
from undertow.report.figures import make_axis, nice_step, place_labels, stack_blocks, text_width

SVG = "{http://www.w3.org/2000/svg}"
rates = st.floats(0, 1)


def parsed(bars=BARS, references=REFERENCES, **options) -> ElementTree.Element:
    return ElementTree.fromstring(bars_svg(bars, references, **options))


def words(figure: ElementTree.Element) -> str:
    return " | ".join("".join(text.itertext()) for text in figure.iter(f"{SVG}text"))


def of_class(figure: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [element for element in figure.iter() if element.get("class") == name]


def test_numbers_names_and_notes_are_written():
    text = words(parsed())
    for part in ("all tokens", "0.148", "0.112 to 0.187", "0.229", "0.161 to 0.296"):
        assert part in text
    for part in ("47 % of the tokens", "base 0.024", "control 0.022", "teacher 0.961"):
        assert part in text


def test_the_label_for_screen_readers_holds_the_numbers():
    label = parsed().get("aria-label")
    assert "all tokens 0.148 (0.112 to 0.187)" in label
    assert "control 0.022" in label


def test_one_dot_for_each_seed_at_its_value():
    figure = parsed()
    axis = make_axis(BARS, REFERENCES, 14, 706)
    assert [float(dot.get("cx")) for dot in of_class(figure, "seed")] == [
        axis.x(seed) for bar in BARS for seed in bar.seeds
    ]


def test_bars_are_in_proportion():
    first, second = (float(bar.get("width")) for bar in of_class(parsed(), "bar"))
    assert first / second == pytest.approx(0.148 / 0.229, rel=1e-2)


@given(st.lists(rates, min_size=1, max_size=4), st.lists(rates, max_size=4))
def test_the_axis_holds_all_but_the_largest_reference(means, references):
    bars = [Bar(name="x", mean=mean, low=mean, high=mean) for mean in means]
    lines = [Reference(name="r", value=value) for value in references]
    axis = make_axis(bars, lines, 0, 100)
    assert axis.top >= max(means) * (1 - 1e-6)
    assert sum(value > axis.top * (1 + 1e-6) for value in references) <= 1
    assert 2 <= len(axis.ticks) <= 6


def test_a_reference_far_above_the_rest_is_named_beyond_the_axis():
    assert "teacher 0.961 →" in words(parsed())
    near = [Reference(name="teacher", value=0.4)]
    assert "teacher 0.400 →" not in words(parsed(references=near))
    assert make_axis(BARS, near, 0, 1).top >= 0.4


@pytest.mark.parametrize(("value", "step"), [(0.03, 0.05), (0.05, 0.05), (0.11, 0.2), (0.6, 1.0)])
def test_steps_are_round(value, step):
    assert nice_step(value) == pytest.approx(step)


@given(st.lists(st.tuples(st.text("abc", min_size=1, max_size=12), rates), max_size=6))
def test_labels_of_references_never_overlap(named):
    references = [Reference(name=name, value=value) for name, value in named]
    labels = place_labels(references, make_axis(BARS, references, 14, 706))
    for i, one in enumerate(labels):
        for other in labels[:i]:
            apart = one.extent[1] < other.extent[0] or other.extent[1] < one.extent[0]
            assert apart or one.lane != other.lane


def test_the_line_of_a_label_passes_beside_the_labels_below_it():
    labels = {label.text.split()[0]: label for label in place_labels(REFERENCES, make_axis(
        BARS, REFERENCES, 14, 706))}  # fmt: skip
    assert labels["control"].lane > labels["base"].lane
    assert labels["control"].line_x < labels["base"].extent[0]


@given(st.text("ab ", max_size=80), st.text("ab ", max_size=200), st.integers(320, 900))
def test_words_stay_in_the_figure_and_off_the_value(name, note, width):
    bar = Bar(name=name, note=note, mean=0.1, low=0.1, high=0.1)
    (block,) = stack_blocks([bar], width, 0)
    value = text_width("0.100  0.100 to 0.100")
    assert all(text_width(line) + value < width for line in block.names)
    assert block.inline_note or all(text_width(line) <= width for line in block.notes)
    assert block.band > len(block.names) * 13


@pytest.mark.parametrize("width", [386, 720])
def test_everything_lies_on_the_ground(width):
    bars = [*BARS, Bar(name="much " * 20, note="more " * 40, mean=-0.1, low=-0.3, high=0.5)]
    figure = parsed(bars, width=width)
    height = float(figure.get("height"))
    for element in figure.iter():
        for name, limit in (("x", width), ("x1", width), ("cx", width), ("y", height)):
            assert 0 <= float(element.get(name, 0)) <= limit
    assert all(float(bar.get("width")) >= 0 for bar in of_class(figure, "bar"))


def test_hostile_text_is_escaped():
    bars = [Bar(name=HOSTILE, note=HOSTILE, mean=0.1, low=0.0, high=0.2)]
    references = [Reference(name=HOSTILE, value=0.1)]
    svg = bars_svg(bars, references)
    assert "<script" not in svg
    figure = ElementTree.fromstring(svg)
    assert {element.tag for element in figure.iter()} == {
        f"{SVG}{tag}" for tag in ("svg", "style", "rect", "line", "text", "tspan", "path")
    }
    assert "<script>alert('x')</script>\"&\ufffd\ufffd 0.100" in words(figure)


def test_nothing_to_show_is_still_a_figure():
    assert of_class(parsed([], []), "ground")
    assert "0.000" in words(parsed([Bar(name="none", mean=0, low=0, high=0, seeds=[0])], []))


def test_every_colour_has_a_fallback_and_the_ground_is_its_own():
    style = parsed().find(f"{SVG}style").text
    assert re.findall(r"var\(([^)]*)\)", style)
    assert all(", #" in use for use in re.findall(r"var\(([^)]*)\)", style))
    assert of_class(parsed(), "ground")[0].get("width") == "720"
