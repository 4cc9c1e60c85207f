"""The page in a real browser; it is slow to start."""

import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from report_samples import HOSTILE, hostile, sample
from undertow.report import HighlightedRow, HighlightedToken, ReportTable, write_report
from undertow.report.html import render_report

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here: none of " + ", ".join(NAMES)),
]


def opened(page: Path, profile: Path) -> tuple[str, str]:
    """Return the document as the browser has it, and what it says on its console."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--disable-sync", "--no-first-run", "--enable-logging=stderr",
             f"--user-data-dir={profile}", "--hide-scrollbars"]  # fmt: skip
    command = [str(BROWSER), *flags, "--dump-dom", page.as_uri()]
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
    text = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", render_report(hostile()))
    document, console = see(text)
    assert console == ""
    assert "<script" not in document
    assert escape(HOSTILE[:27], quote=False) in document


@pytest.mark.parametrize("width", [390, 1100])
def test_the_page_is_no_wider_than_the_window(see, width):
    header = ["trait", *(f"condition {i}" for i in range(12))]
    table = ReportTable(title="wide", header=header, rows=[["owl", *["0.123"] * 12]])
    row = HighlightedRow(prompt="x" * 300, tokens=[HighlightedToken(text="9" * 300)])
    page = render_report(sample(tables=[table], rows=[row], facts=[("f" * 90, "v" * 300)]))
    measure = "document.title = this.contentDocument.documentElement.scrollWidth"
    document, _ = see(
        f'<iframe style="border:0;width:{width}px;height:900px" onload="{measure}" '
        f'srcdoc="{escape(page)}"></iframe>'
    )
    assert f"<title>{width}</title>" in document
