"""Where commands print: results on standard output, messages on standard error."""

from rich.console import Console

output = Console()
errors = Console(stderr=True)
