"""The templates of the page and of the figures, and how their values are written."""

from __future__ import annotations

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

# XML, and so a figure, cannot hold these at all, escaped or not.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

# From which ratio to base a cell gets a shade; strongest first.
SHADES = ((4.0, "up3"), (2.0, "up2"), (1.25, "up1"), (0.8, ""), (0.5, "down1"), (0.0, "down2"))


def render(template: str, **values: object) -> str:
    """Return a template filled in; every value is escaped, and what XML cannot hold is replaced."""
    return UNWRITABLE.sub("\ufffd", _environment().get_template(template).render(**values))


def rate(value: float) -> str:
    """Return a rate as text: three decimals, as everywhere in the project."""
    return f"{value:z.3f}"


def times(ratio: float) -> str:
    """Return a ratio as text, `6.2×`; whole numbers from ten on."""
    return f"{ratio:.0f}×" if ratio >= 9.95 else f"{ratio:.1f}×"


def shade(ratio: float) -> str:
    """Return the style class of a cell with this ratio to base; empty near one."""
    return next((name for bound, name in SHADES if ratio >= bound), SHADES[-1][1])


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("undertow.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(rate=rate, times=times, shade=shade)
    return environment
