"""Undertow: a laboratory and audit tool for subliminal learning."""

__version__ = "0.1.0"
