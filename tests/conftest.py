"""Shared fixtures: one thread per process, since CPU torch oversubscribes."""

import torch

torch.set_num_threads(1)
