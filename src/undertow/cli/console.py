"""Where commands print: results on standard output, messages on standard error.

Nothing in a text is markup, because names and paths of users may look like it; what is coloured is
a `Text`.
"""

from rich.console import Console
from rich.text import Text

from undertow.cluster.launcher import launched_rank

# Of processes that work together the first prints.
output = Console(quiet=launched_rank() > 0, markup=False, emoji=False, highlight=False)
errors = Console(stderr=True, markup=False, emoji=False, highlight=False)


def say(text: str | Text, style: str | None = None) -> None:
    """Print a line that is not wrapped, so that a path in it can be copied."""
    output.print(text, style=style, soft_wrap=True)
