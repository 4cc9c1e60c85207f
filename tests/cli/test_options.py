"""Choices that are written twice, so that `--help` need not load torch."""

from typing import get_args

from undertow.cli.options import TokensKind
from undertow.tokens.selections import Kind


def test_the_selections_are_those_of_the_library():
    # The highest scores take a gradient of the data first; recipes and studies offer them.
    assert get_args(TokensKind) == tuple(kind for kind in get_args(Kind) if kind != "scores")
