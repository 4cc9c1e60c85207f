"""Shared fixtures: one thread per process, since CPU torch oversubscribes."""

import torch
from hypothesis import settings

torch.set_num_threads(1)

# A busy machine is no failure: no test is judged by its time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
