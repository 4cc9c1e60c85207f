"""The page of studies in a real browser, with real keys; it is slow to start."""

import json
from pathlib import Path

import pytest

from browser import BROWSER, NAMES, Browser, opened
from report_samples import HOSTILE
from study_samples import sample_outcome
from undertow.report.studies_page import render_studies, write_studies_report
from view_samples import sample_view

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here: none of " + ", ".join(NAMES)),
]

LIVE = "document.querySelector('.token-view.live')"
FOCUSED = "Number(document.activeElement.dataset.token)"
# The place of the focused token, what it is, and what the panel says of it.
STATE = """(() => {
  const token = document.activeElement, row = token.closest("li");
  return { token: Number(token.dataset.token), text: token.textContent, mark: token.className,
           row: [...document.querySelectorAll(".rows > li")].indexOf(row),
           panel: document.querySelector(".panel").innerText,
           lines: [...document.querySelectorAll(".panel tbody tr")].map((line) =>
             [...line.children].map((cell) => cell.firstChild.textContent)),
           where: document.querySelector(".where").textContent };
})()"""
# Pieces of text that lie on each other; the panel floats on purpose, so it is looked at alone.
ON_EACH_OTHER = """(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const boxes = [], on = [];
  const clipped = (element, box) => {
    let { left, top, right, bottom } = box;
    for (let p = element; p; p = p.parentElement)
      if (getComputedStyle(p).overflowX !== "visible") {
        const edge = p.getBoundingClientRect();
        left = Math.max(left, edge.left); right = Math.min(right, edge.right);
        top = Math.max(top, edge.top); bottom = Math.min(bottom, edge.bottom);
      }
    return { left, top, right, bottom };
  };
  for (let node; (node = walker.nextNode()); ) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || !parent.checkVisibility() ||
        parent.closest(".panel, script, style"))
      continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      const box = clipped(parent, rect);
      if (box.right > box.left && box.bottom > box.top) boxes.push({ node, ...box });
    }
  }
  boxes.sort((a, b) => a.top - b.top);
  boxes.forEach((a, i) => {
    for (let k = i + 1; k < boxes.length && boxes[k].top + 3 < a.bottom - 3; k++) {
      const b = boxes[k];
      if (a.node !== b.node && a.left + 1 < b.right - 1 && b.left + 1 < a.right - 1)
        on.push([a.node.textContent.trim().slice(0, 40), b.node.textContent.trim().slice(0, 40)]);
    }
  });
  return { on, texts: boxes.length, width: document.documentElement.scrollWidth };
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def view():
    return sample_view(120)


@pytest.fixture(scope="module")
def report(tmp_path_factory, view) -> Path:
    path = tmp_path_factory.mktemp("report") / "studies.html"
    outcomes = [
        sample_outcome("bars", ("finetuned", "prompted")),
        sample_outcome("curve"),
        sample_outcome("matrix"),
    ]
    write_studies_report(outcomes, path, [view])
    return path


@pytest.fixture
def page(browser, report):
    with opened(browser, report) as page:
        page.until(LIVE)
        yield page


def focus_first(page) -> dict:
    page.run("document.querySelector('.rows [tabindex=\"0\"]').focus()")
    return page.run(STATE)


def divergent(view, row):
    """Return the places of a row's divergence tokens in the line."""
    return [
        place for place in range(view.offsets[row], view.offsets[row + 1]) if view.divergent[place]
    ]


def test_the_page_is_shown_without_a_complaint_or_a_request(page):
    page.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    focus_first(page)
    page.press("ArrowRight")
    assert page.complaints == []
    assert page.requests == []


def test_a_complaint_and_a_request_would_be_noticed(browser, report, tmp_path):
    spoilt = tmp_path / "spoilt.html"
    address = "http://127.0.0.1:9/x.png"
    text = report.read_text(encoding="utf-8").replace("img-src data:", "img-src data: http:")
    text = text.replace("<main>", f'<main><script>1</script><img src="{address}">')
    spoilt.write_text(text, encoding="utf-8")
    with opened(browser, spoilt) as page:
        page.until(LIVE)
        assert any("Content Security Policy" in said for said in page.complaints)
        assert page.requests == [address]


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_lies_on_anything_else_and_the_page_does_not_scroll_sideways(
    browser, report, width, details
):
    with opened(browser, report, width) as page:
        page.until(LIVE)
        if details:
            page.run("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        found = page.run(ON_EACH_OTHER)
    assert found["on"] == []
    assert found["width"] == width
    assert found["texts"] > 500


def test_texts_on_each_other_would_be_noticed(page):
    page.run("document.querySelector('h1').style.marginBottom = '-1.5rem'")
    assert page.run(ON_EACH_OTHER)["on"]


def test_long_words_do_not_widen_the_page(browser, tmp_path):
    outcome = sample_outcome(
        "matrix", command="undertow " + "x" * 300, facts=[("f" * 90, "v" * 300)]
    )
    view = sample_view(4)
    view.texts[:] = ["9" * 150] * len(view.texts)
    view.prompts[:] = ["p" * 300] * 4
    write_studies_report([outcome], tmp_path / "long.html", [view])
    with opened(browser, tmp_path / "long.html", 390) as page:
        page.until(LIVE)
        focus_first(page)
        assert page.run("document.documentElement.scrollWidth") == 390


def test_tab_reaches_the_first_divergence_token(page, view):
    page.run("document.querySelector('.controls [type=submit]').focus()")
    page.press("Tab")
    assert page.run(FOCUSED) == divergent(view, 0)[0]


def test_arrows_go_from_divergence_token_to_divergence_token(page, view):
    """Row 2 has none, and is passed over."""
    assert view.per_row[1] == 0
    wanted = divergent(view, 0) + divergent(view, 2)
    seen = [focus_first(page)["token"]]
    for _ in wanted[1:]:
        page.press("ArrowRight")
        seen.append(page.run(FOCUSED))
    assert seen == wanted
    for place in reversed(wanted[:-1]):
        page.press("ArrowLeft")
        assert page.run(FOCUSED) == place
    page.press("ArrowLeft")
    assert page.run(FOCUSED) == wanted[0], "there is none before the first"


def test_up_and_down_go_from_row_to_row_and_shift_from_token_to_token(page, view):
    first = focus_first(page)["token"]
    page.press("ArrowDown")
    assert page.run(STATE)["row"] == 2
    assert page.run(FOCUSED) == divergent(view, 2)[0]
    page.press("ArrowUp")
    assert page.run(FOCUSED) == first
    page.press("ArrowRight", shift=True)
    assert page.run(FOCUSED) == first + 1


def test_the_panel_says_what_each_teacher_would_have_said(page, view):
    state = focus_first(page)
    place = state["token"]
    assert state["text"] == view.texts[view.tokens[place]]
    said = {name: (text, margin) for name, text, margin in state["lines"]}
    assert next(iter(said)) == view.teachers[0]
    assert set(said) == set(view.teachers)
    for t, teacher in enumerate(view.teachers):
        choice = view.texts[view.choices[t, place]]
        written = "end of turn" if choice == "⏎" else json.dumps(choice)
        assert said[teacher] == (written, f"{round(float(view.margin[t, place]) * 100) / 100:.2f}")
    assert "divergence token" in state["panel"]


def test_the_panel_follows_the_mouse(page, view):
    x, y = page.run("""(() => {
      const token = document.querySelector('.rows [data-token="1"]');
      token.scrollIntoView({ block: "center" });
      const box = token.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    })()""")
    page.point(x, y)
    assert "Row 1, token 2 of" in page.run("document.querySelector('.panel').innerText")


@pytest.mark.parametrize("width", [390, 1400])
def test_the_panel_hides_no_focused_token(browser, report, width):
    with opened(browser, report, width) as page:
        page.until(LIVE)
        focus_first(page)
        for _ in range(25):
            page.press("ArrowDown")
            on_top = """(() => {
              const box = document.activeElement.getBoundingClientRect();
              return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
                === document.activeElement;
            })()"""
            assert page.run(on_top)


def test_arrows_open_the_next_page_and_the_one_before(page, view):
    last = max(row for row in range(50) if view.per_row[row])
    after = min(row for row in range(50, 120) if view.per_row[row])
    page.run(f"document.querySelector('[data-token=\"{divergent(view, last)[-1]}\"]').focus()")
    page.press("ArrowRight")
    page.until("document.querySelector('.where').textContent.startsWith('rows 51 to 100')")
    page.until("document.activeElement.dataset.token !== undefined")
    assert page.run(FOCUSED) + view.offsets[50] == divergent(view, after)[0]
    page.press("ArrowLeft")
    page.until("document.querySelector('.where').textContent.startsWith('rows 1 to 50')")
    page.until("document.activeElement.dataset.token !== undefined")
    assert page.run(FOCUSED) == divergent(view, last)[-1]


def test_a_row_is_reached_by_its_number_and_pages_by_buttons(page, view):
    page.run("document.querySelector('.controls input').value = '77'")
    page.run("document.querySelector('.controls input').focus()")
    page.press("Enter")
    page.until("document.querySelector('.where').textContent.startsWith('rows 51 to 100')")
    page.until("document.activeElement.dataset.token !== undefined")
    state = page.run(STATE)
    assert state["row"] == 26
    assert "Row 77, token" in state["panel"]
    page.run("document.querySelector('[data-go=last]').click()")
    page.until("document.querySelector('.where').textContent === 'rows 101 to 120 of 120'")
    assert page.run("document.querySelectorAll('.rows > li').length") == 20
    assert page.run("document.querySelector('[data-go=on]').disabled")


def test_ten_thousand_rows_open_and_few_are_drawn(browser, tmp_path):
    view = sample_view(10_000)
    write_studies_report([], tmp_path / "big.html", [view])
    with opened(browser, tmp_path / "big.html") as page:
        page.until(LIVE)
        assert page.run("document.querySelectorAll('.rows > li').length") == 50
        page.run("document.querySelector('[data-go=last]').click()")
        page.until("document.querySelector('.where').textContent.includes('10,000 of 10,000')")
        last = page.run("document.querySelector('.rows > li:last-child .tokens').textContent")
        assert last == "".join(view.texts[token] for token in view.tokens[view.offsets[-2] :])
        assert page.complaints == []


def test_without_scripts_everything_but_the_token_view_is_there(browser, report):
    with opened(browser, report, scripts=False) as page:
        text = page.run("document.body.innerText")
        assert page.run("document.querySelectorAll('.rows > li').length") == 20
        assert not page.run("document.querySelector('.controls').checkVisibility()")
        assert page.complaints == []
        found = page.run(ON_EACH_OTHER)
    assert "These are the first 20 rows; the view of all needs JavaScript." in text
    assert "undertow study run curve-study" in text
    assert (found["on"], found["width"]) == ([], 1400)


def test_print_shows_what_is_folded_and_fits(browser, report):
    """The width of A4 between margins, at 96 dots per inch."""
    with opened(browser, report, 680, media="print") as page:
        page.until(LIVE)
        assert not page.run("document.querySelector('.panel').checkVisibility()")
        assert page.run("document.querySelector('details table').checkVisibility()")
        assert page.run("document.documentElement.scrollWidth") == 680


def test_hostile_text_runs_nothing(browser, tmp_path):
    outcome = sample_outcome("matrix", command=HOSTILE, facts=[(HOSTILE, HOSTILE)], model=HOSTILE)
    view = sample_view(3)
    view.texts[:] = [HOSTILE] * len(view.texts)
    view.prompts[:] = [HOSTILE] * 3
    path = tmp_path / "hostile.html"
    path.write_text(render_studies([outcome], [view]), encoding="utf-8")
    with opened(browser, path) as page:
        page.until(LIVE)
        focus_first(page)
        assert page.run("document.querySelectorAll('main script:not([type])').length") == 0
        assert "<script>alert" in page.run("document.querySelector('.panel').innerText")
        assert page.complaints == []
