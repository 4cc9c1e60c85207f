"""Shared fixtures: one thread per process, since CPU torch oversubscribes."""

import os

import torch
from hypothesis import settings

torch.set_num_threads(1)

# Consoles are as wide as a test asks for by COLUMNS: pytest-xdist's workers inherit one, and forced
# colours on a dumb terminal make rich fall back to 80. (No test sets the width of a console: what
# is put back afterwards is the width of that moment, for ever.)
for name in ("COLUMNS", "LINES", "FORCE_COLOR", "TTY_COMPATIBLE"):
    os.environ.pop(name, None)
os.environ["TERM"] = "xterm"

# A busy machine is no failure: no test is judged by its time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
