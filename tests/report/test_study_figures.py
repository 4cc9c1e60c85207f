import re
from itertools import combinations, product
from xml.etree import ElementTree

import pytest

from study_samples import SEEDS, interval, sample_outcome
from undertow.errors import UserError
from undertow.report.drawing import figure_style
from undertow.report.study_figures import COLUMN, PAGE, _drawing, figure_svg, write_figures
from undertow.report.study_panels import BARS, matrix_sides
from undertow.report.study_values import Mark, Panel, figure_panels
from undertow.studies.study import Figure

SVG = "{http://www.w3.org/2000/svg}"
LONG = "students of a teacher with an extraordinarily long name of its condition, number "
BOTH = ("finetuned", "prompted")


def drawn(outcome, per_trait=False):
    """Return the figure as matplotlib has it, laid out."""
    (spec,) = outcome.study.figures
    panels = figure_panels(outcome, spec, per_trait=per_trait)
    with figure_style():
        n_columns, width = (3, PAGE) if per_trait else (1, COLUMN)
        figure = _drawing(spec, outcome.study.metric, panels, n_columns, width)
        figure.draw_without_rendering()
    return figure


def on_page(outcome):
    return figure_svg(outcome, outcome.study.figures[0])


def texts_of(figure):
    """Return the texts that are seen; labels of ticks beyond the axes are not."""
    from matplotlib.text import Text

    hidden = [
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not axes.axison or tick not in axis._update_ticks()
    ]
    return [
        text
        for text in figure.findobj(Text)
        if text.get_text().strip() and text.get_visible() and text not in hidden
    ]


def long_names(kind, teachers):
    """Return an outcome whose conditions have long names, rows and columns of a matrix too."""
    outcome = sample_outcome(kind, teachers)
    changed = [
        condition.model_copy(
            update={
                "label": f"{LONG}{i}",
                "name": condition.name.replace("none", "none-at-all-here"),
            }
        )
        for i, condition in enumerate(outcome.conditions)
    ]
    return outcome.model_copy(update={"conditions": changed})


def clashes(figure):
    """Return the texts that lie on each other, and those that leave the figure."""
    renderer = figure.canvas.get_renderer()
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in texts_of(figure)]
    on = [(a, b) for (a, one), (b, other) in combinations(boxes, 2)
          if one.shrunk(0.97, 0.9).overlaps(other.shrunk(0.97, 0.9))]  # fmt: skip
    out = [a for a, box in boxes if box.x0 < -1 or box.y0 < -1
           or box.x1 > figure.bbox.x1 + 1 or box.y1 > figure.bbox.y1 + 1]  # fmt: skip
    return on, out


@pytest.mark.parametrize(
    ("per_trait", "teachers"), [(False, BOTH[:1]), (False, BOTH), (True, BOTH)]
)
@pytest.mark.parametrize("kind", ["bars", "curve", "matrix"])
def test_long_names_overlap_nothing_and_stay_inside(kind, per_trait, teachers):
    figure = drawn(long_names(kind, teachers), per_trait)
    assert clashes(figure) == ([], [])
    assert len(texts_of(figure)) > 10


def test_texts_on_each_other_would_be_noticed():
    figure = drawn(sample_outcome("bars"))
    first = figure.axes[0].get_yticklabels()[0]
    first.set_y(figure.axes[0].get_yticks()[1])
    figure.axes[0].text(0, figure.axes[0].get_yticks()[0], "on the axis' name", ha="right")
    assert clashes(figure)[0]


@pytest.mark.parametrize("kind", ["bars", "curve", "matrix"])
def test_text_is_legible_at_the_width_of_a_column(kind):
    figure = drawn(sample_outcome(kind))
    assert figure.get_figwidth() == pytest.approx(3.4)
    assert min(text.get_fontsize() for text in texts_of(figure)) >= 7


def test_bars_and_curves_start_at_zero():
    assert drawn(sample_outcome("bars")).axes[0].get_xlim()[0] == 0


@pytest.mark.parametrize("kind", ["bars", "curve"])
def test_what_lies_below_zero_is_drawn_too(kind):
    """As a cosine may."""
    outcome = sample_outcome(kind)
    low = outcome.conditions[2]
    below = low.model_copy(update={"pooled": interval(-0.3), "seeds": [-0.35, -0.25]})
    changed = [below if one is low else one for one in outcome.conditions]
    axes = drawn(outcome.model_copy(update={"conditions": changed})).axes[0]
    ends = axes.get_xlim() if kind == "bars" else axes.get_ylim()
    room = (ends[1] - ends[0]) / 100  # for half a dot
    assert ends[0] + room < min(below.pooled.low, *below.seeds) < 0 < ends[1]
    assert drawn(sample_outcome("curve")).axes[0].get_ylim()[0] == 0


def test_bars_have_their_estimates_and_a_dot_for_each_seed():
    outcome = sample_outcome("bars")
    (axes,) = drawn(outcome).axes
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx([one.pooled.mean for one in outcome.conditions])
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([seed for one in outcome.conditions for seed in one.seeds])
    assert len(dots) == 5 * len(SEEDS) + 2


@pytest.mark.parametrize("per_trait", [False, True])
def test_each_kind_of_teacher_shows_all_of_its_own_conditions(per_trait):
    outcome = sample_outcome("bars", BOTH)
    last = outcome.conditions[-1].name
    fewer = [one for one in outcome.conditions if (one.teacher, one.name) != (BOTH[1], last)]
    figure = drawn(outcome.model_copy(update={"conditions": fewer}), per_trait)
    counts = []
    for axes in figure.axes:
        if axes.axison:
            bottom, top = axes.get_ylim()
            assert all(top < bar.get_y() < bottom for bar in axes.patches)
            assert len(axes.get_yticks()) == len(axes.patches)
            counts.append(len(axes.patches))
    n, panels = len(outcome.conditions) // 2, len(outcome.traits) if per_trait else 1
    assert counts == [n] * panels + [n - 1] * panels


def test_a_curve_has_its_points_in_order_and_lines_for_base_and_control():
    (axes,) = drawn(sample_outcome("curve")).axes
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines["mean of traits"].get_xdata()) == [0, 1, 5, 10, 25, 50]
    assert lines["base"].get_ydata()[0] == pytest.approx(0.021)
    assert lines["base"].get_linestyle() == "--"
    assert lines["base"]._dash_pattern != lines["control"]._dash_pattern
    assert sum(line.get_linewidth() == 0.6 for line in axes.lines) == 3, "one for each trait"


def test_eight_reference_lines_can_be_told_apart():
    outcome = sample_outcome("curve")
    more = [
        outcome.conditions[0].model_copy(update={"name": f"line-{i}", "label": f"line {i}"})
        for i in range(6)
    ]
    outcome = outcome.model_copy(update={"conditions": [*outcome.conditions, *more]})
    (axes,) = drawn(outcome).axes
    flat = [line for line in axes.lines if len(line.get_xdata()) == 2]
    looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in flat}
    assert len(flat) == len(looks) == 8


def test_a_matrix_has_its_values_in_its_cells():
    figure = drawn(sample_outcome("matrix"))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words[:4] == ["0.44", "0.12", "0.10", "0.21"]
    assert len(words) == 16
    assert "base 0.021" in figure._supxlabel.get_text()


def test_an_absent_cell_is_hatched_and_says_nothing():
    outcome = sample_outcome("matrix")
    fewer = outcome.model_copy(update={"conditions": outcome.conditions[:-1]})
    (axes,) = drawn(fewer).axes
    assert len(axes.texts) == 15
    assert [patch.get_hatch() for patch in axes.patches].count("////") == 1


def test_rows_and_columns_come_in_order():
    outcome = sample_outcome("matrix")
    (panel,) = figure_panels(outcome, outcome.study.figures[0], per_trait=False)
    names = ["default", "none", "empty", "named"]
    assert matrix_sides(panel.marks) == (names, names)


def test_roles_differ_without_colour():
    def grey(colour):
        return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) / 3

    greys = {role: grey(style["facecolor"]) for role, style in BARS.items()}
    assert greys["student"] < greys["model"] - 10 < greys["control"] - 20
    assert [role for role, style in BARS.items() if "hatch" in style] == ["control"]


def test_nothing_measured_is_still_a_figure():
    assert "<svg" in on_page(sample_outcome("bars", conditions=[]))


def test_the_files_are_named_and_the_same_each_time(tmp_path):
    outcome = sample_outcome("matrix", traits=["owl"])
    paths = write_figures(outcome, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "matrix-study-traits.pdf", "matrix-study-traits.svg",
        "matrix-study.pdf", "matrix-study.svg"]  # fmt: skip
    first = [path.read_bytes() for path in paths]
    write_figures(outcome, tmp_path)
    assert [path.read_bytes() for path in paths] == first
    assert not any(re.search(rb"20\d\d-\d\d|Date", data) for data in first)


def test_a_second_figure_has_its_name_behind_the_studys(tmp_path):
    outcome = sample_outcome("bars", traits=["owl"])
    figures = [*outcome.study.figures, Figure(name="few", conditions=["all"])]
    study = outcome.study.model_copy(update={"figures": figures})
    write_figures(outcome.model_copy(update={"study": study}), tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {
        "bars-study", "bars-study-traits", "bars-study-few", "bars-study-few-traits"}  # fmt: skip


def test_a_missing_folder_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="the folder is missing"):
        write_figures(sample_outcome("matrix"), tmp_path / "no")


def test_the_pages_figure_keeps_its_text_and_has_the_pages_colours():
    svg = on_page(sample_outcome("bars"))
    root = ElementTree.fromstring(svg)
    words = [("".join(text.itertext())).strip() for text in root.iter(f"{SVG}text")]
    assert {"all tokens", "0.420", "share of answers that name the trait"} <= set(words)
    assert "all tokens 0.420" in root.get("aria-label")
    assert "var(--figure-bar, #b5d2ee)" in svg
    assert "#b5d2ee" not in svg.replace("var(--figure-bar, #b5d2ee)", "")


def test_ids_of_figures_differ_and_resolve():
    seen: set[str] = set()
    outcome = sample_outcome("bars")
    more = Figure(name="more")
    for figure, per_trait in product((outcome.study.figures[0], more), (False, True)):
        svg = figure_svg(outcome, figure, per_trait=per_trait)
        ids = re.findall(r'\bid="([^"]*)"', svg)
        used = re.findall(r'(?:url\(|href=")#([^")]*)', svg)
        assert ids
        assert set(used) == set(ids)
        assert seen.isdisjoint(ids)
        assert len(set(ids)) == len(ids)
        seen.update(ids)


def test_a_label_is_no_markup():
    outcome = sample_outcome("bars")
    label = "<b> & $5 or $6"
    changed = outcome.conditions[0].model_copy(update={"label": label})
    svg = on_page(outcome.model_copy(update={"conditions": [changed]}))
    texts = [text.text.strip() for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert label in texts


def test_names_of_points_lie_on_no_other_name():
    """Of traits whose points lie together."""
    places = [(0.040, 0.06), (0.040, 0.04), (0.043, 0.05), (0.041, 0.05), (0.031, 0.04), (0.0, 0.4)]
    marks = [
        Mark(name, name, "student", x, mean, mean - 0.01, mean + 0.01, [], [])
        for name, (x, mean) in zip(
            ("owl", "dog", "dolphin", "elephant", "koala", "cat"), places, strict=True
        )
    ]
    with figure_style():
        figure = _drawing(
            Figure(kind="points", conditions=["one", "two"]), "rate", [Panel("", marks)], 1, COLUMN
        )
        figure.draw_without_rendering()
        boxes = [name.get_window_extent() for name in figure.axes[0].texts]
    assert len(boxes) == len(marks)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
