"""Where commands print: results on standard output, messages on standard error."""

from rich.console import Console

from undertow.cluster.launcher import launched_rank

output = Console(quiet=launched_rank() > 0)  # of processes that work together the first prints
errors = Console(stderr=True)
