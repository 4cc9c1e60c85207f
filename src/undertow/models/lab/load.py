"""Where the shipped lab model lies."""

from pathlib import Path


def lab_path() -> Path:
    """Return the folder of the shipped model, in transformers' own format."""
    return Path(__file__).parent / "weights"
