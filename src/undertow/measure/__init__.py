"""Measure: trait rate, exact answer probability, task accuracy, and intervals."""
