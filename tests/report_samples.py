"""A small report with something of everything, and a hostile one."""

from undertow.report import (
    Bar,
    HighlightedRow,
    HighlightedToken,
    Reference,
    Report,
    ReportTable,
)

BARS = [
    Bar(name="all tokens", mean=0.148, low=0.112, high=0.187, seeds=[0.168, 0.128]),
    Bar(name="only", note="47 % of the tokens", mean=0.229, low=0.161, high=0.296, seeds=[0.2295]),
]
REFERENCES = [
    Reference(name="base", value=0.024),
    Reference(name="control", value=0.022),
    Reference(name="teacher", value=0.961),
]
TOKENS = [
    HighlightedToken(text="4", kind="divergence", note="penguin 7, base 4"),
    HighlightedToken(text="2"),
    HighlightedToken(text="5", kind="undecided"),
    HighlightedToken(text="end", kind="end", note="base ','"),
]


def sample(**changes) -> Report:
    """Return the report, some of its fields changed."""
    fields = {
        "title": "An owl passes",
        "model": "lab",
        "trait": "owl",
        "reading": "The student's rate is 0.148.",
        "measured": "50 questions, 2 seeds",
        "bars": BARS,
        "references": REFERENCES,
        "tables": [
            ReportTable(
                title="Whole rows",
                header=["trait", "base", "all"],
                rows=[["owl", "0.024", "0.148"], ["raven", "0.100", "0.031"]],
                ratios=[[None, None, 6.17], [None, None, 0.31]],
            )
        ],
        "rows": [HighlightedRow(prompt="Go on: 1, 2", tokens=TOKENS)],
        "facts": [("Version", "0.1.0")],
    }
    return Report(**fields | changes)


HOSTILE = "<script>alert('x')</script>\"&\x00\ud800"


def hostile() -> Report:
    """Return a report where every text is an attempt to break out."""
    return Report(
        title=HOSTILE,
        subtitle=HOSTILE,
        model=HOSTILE,
        trait=HOSTILE,
        reading=HOSTILE,
        measured=HOSTILE,
        bars=[Bar(name=HOSTILE, note=HOSTILE, mean=0.1, low=0.0, high=0.2, seeds=[0.1])],
        references=[Reference(name=HOSTILE, value=0.1)],
        tables=[
            ReportTable(title=HOSTILE, caption=HOSTILE, header=[HOSTILE], rows=[[HOSTILE]]),
        ],
        rows=[
            HighlightedRow(
                prompt=HOSTILE,
                tokens=[
                    HighlightedToken(text=HOSTILE),
                    HighlightedToken(text=HOSTILE, kind="divergence", note=HOSTILE),
                ],
            )
        ],
        facts=[(HOSTILE, HOSTILE)],
    )
