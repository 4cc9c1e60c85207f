"""Shared fixtures: one thread per process, since CPU torch oversubscribes."""

import os

import torch
from hypothesis import settings

torch.set_num_threads(1)

# pytest-xdist sets it for its workers, and consoles would be that narrow whatever a test asks for.
os.environ.pop("COLUMNS", None)

# A busy machine is no failure: no test is judged by its time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
