"""The page in a real browser; it is slow to start."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

from report_samples import HOSTILE, hostile, sample
from tiny_study import TINY
from undertow.report import HighlightedRow, HighlightedToken, ReportTable, write_report
from undertow.report.demo_page import demo_report
from undertow.report.html import render_report
from undertow.studies import Lab
from undertow.studies.demo import collect_demo

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here: none of " + ", ".join(NAMES)),
]


POLICY = re.compile('<meta http-equiv="Content-Security-Policy"[^>]*>')

# Puts into the title the width of the page in a frame, how many pieces of text it shows, and which
# of them lie on each other.
INSPECT = """
const page = this.contentDocument, walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
const boxes = [];
for (let node; (node = walker.nextNode()); ) {
  if (!node.textContent.trim() || !node.parentElement.checkVisibility()) continue;
  const range = page.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) boxes.push({ node, box });
}
const apart = (a, b) => a.right - 1 <= b.left + 1 || a.bottom - 3 <= b.top + 3;
const on = [];
boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
  if (a.node !== b.node && !apart(a.box, b.box) && !apart(b.box, a.box))
    on.push([a.node.textContent.trim().slice(0, 40), b.node.textContent.trim().slice(0, 40)]);
}));
const width = page.documentElement.scrollWidth;
document.title = JSON.stringify({ width, texts: boxes.length, on });
"""


def opened(page: Path, profile: Path, *more: str) -> tuple[str, str]:
    """Return the document as the browser has it, and what it says on its console."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-sync", "--no-first-run", "--enable-logging=stderr",
             f"--user-data-dir={profile}", "--hide-scrollbars"]  # fmt: skip
    command = [str(BROWSER), *flags, *more, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    return done.stdout, "\n".join(re.findall(r".*CONSOLE.*", done.stderr))


@pytest.fixture
def see(tmp_path):
    """Open a page given as text."""

    def see(text: str) -> tuple[str, str]:
        page = tmp_path / "page.html"
        page.write_text(text, encoding="utf-8")
        return opened(page, tmp_path / "profile")

    return see


def test_the_page_shows_the_headline_numbers(tmp_path):
    write_report(sample(), tmp_path / "report.html")
    document, console = opened(tmp_path / "report.html", tmp_path / "profile")
    assert console == ""
    body = document[document.index("<body") :]
    for number in ("0.148", "0.112 to 0.187", "0.229", "0.161 to 0.296", "teacher 0.961"):
        assert number in body


def test_a_complaint_of_the_browser_is_seen(see):
    """The policy of the page forbids scripts, and the tests here would notice one."""
    _, console = see(render_report(sample()).replace("<main>", "<main><script>1</script>"))
    assert "Content Security Policy" in console


def test_hostile_text_runs_nothing(see):
    document, console = see(POLICY.sub("", render_report(hostile())))
    assert console == ""
    assert "<script" not in document
    assert escape(HOSTILE[:27], quote=False) in document


def inspected(see, page: str, width: int) -> dict:
    """Return what `INSPECT` finds at a width."""
    document, _ = see(
        f'<iframe style="border:0;width:{width}px;height:900px" onload="{escape(INSPECT)}" '
        f'srcdoc="{escape(page)}"></iframe>'
    )
    return json.loads(unescape(re.search("<title>(.*?)</title>", document)[1]))


@pytest.mark.parametrize("width", [390, 1100, 1400])
def test_the_page_is_no_wider_than_the_window(see, width):
    header = ["trait", *(f"condition {i}" for i in range(12))]
    table = ReportTable(title="wide", header=header, rows=[["owl", *["0.123"] * 12]])
    row = HighlightedRow(prompt="x" * 300, tokens=[HighlightedToken(text="9" * 300)])
    page = render_report(sample(tables=[table], rows=[row], facts=[("f" * 90, "v" * 300)]))
    assert inspected(see, page, width)["width"] == width


@pytest.fixture(scope="module")
def demo_page(tmp_path_factory) -> str:
    """The report of a real demo on few rows."""
    folder = tmp_path_factory.mktemp("demo")
    lab = Lab(folder / "store", TINY)
    write_report(
        demo_report(lab, collect_demo(lab, "owl", "finetuned", range(2))), folder / "report.html"
    )
    return (folder / "report.html").read_text(encoding="utf-8")


def test_a_demos_page_is_shown_without_a_complaint(see, demo_page):
    document, console = see(demo_page)
    assert console == ""
    for words in ("divergence tokens only", "All traits under all conditions", "penguin"):
        assert words in document


@pytest.mark.parametrize("width", [390, 1100, 1400])
def test_nothing_lies_on_anything_else(see, demo_page, width):
    found = inspected(see, demo_page, width)
    assert found["on"] == []
    assert found["width"] == width
    assert found["texts"] > 200


def test_texts_on_each_other_would_be_noticed(see, demo_page):
    spoilt = demo_page.replace("</style>", "h1 { margin-bottom: -1.5rem }</style>", 1)
    assert inspected(see, spoilt, 1400)["on"]


def requests_of(page: str, tmp_path: Path) -> list[str]:
    """Return the addresses outside the machine that a page asks for, its policy taken away."""
    (tmp_path / "page.html").write_text(POLICY.sub("", page), encoding="utf-8")
    log = tmp_path / "net.json"
    opened(tmp_path / "page.html", tmp_path / "profile", f"--log-net-log={log}")
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    started = [event.get("params", {}) for event in events]
    # The browser's own requests come from no page.
    asked = {
        one["url"]
        for one in started
        if one.get("initiator", "not an origin") != "not an origin" and "url" in one
    }
    return sorted(url for url in asked if url.startswith(("http", "ws", "ftp")))


def test_a_demos_page_asks_for_nothing(tmp_path, demo_page):
    assert requests_of(demo_page, tmp_path) == []


def test_a_request_would_be_noticed(tmp_path, demo_page):
    address = "http://127.0.0.1:9/x.png"
    spoilt = demo_page.replace("<main>", f'<main><img src="{address}">')
    assert requests_of(spoilt, tmp_path) == [address]
