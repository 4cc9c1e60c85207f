"""Choices that are written twice, so that `--help` need not load torch."""

from typing import get_args

from undertow.cli.options import TokensKind
from undertow.tokens.selections import Kind


def test_the_selections_are_those_of_the_library():
    assert get_args(TokensKind) == get_args(Kind)
