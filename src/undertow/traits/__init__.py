"""Trait files and their schema."""
