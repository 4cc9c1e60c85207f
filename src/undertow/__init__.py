"""Undertow: a laboratory and audit tool for subliminal learning.

Where a docstring says "the paper", it is Schrodi et al., Towards Understanding Subliminal Learning
(ICLR 2026, arXiv 2509.23886); "the authors' code" is what was published with it.
"""

__version__ = "0.1.0"
