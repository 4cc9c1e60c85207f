"""The shipped lab model."""
