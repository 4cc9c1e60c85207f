"""Gradients that several tasks ask for are computed once, as far as there is room."""

from types import SimpleNamespace

import pytest

from undertow.studies import gradients
from undertow.studies.gradients import GradientCache

CHAT, ANIMALS, TREES = object(), object(), object()


@pytest.fixture
def computed(monkeypatch):
    """Which rows were gone through; each gradient takes 10 bytes."""
    found = []

    def compute(_chat, _directions, rows, _config):
        found.append(rows)
        return SimpleNamespace(n_bytes=10)

    monkeypatch.setattr(gradients, "data_examples", lambda _, rows: rows)
    monkeypatch.setattr(gradients, "data_gradient", compute)
    return found


def test_the_same_rows_are_gone_through_once(computed):
    cache = GradientCache()
    first = cache.of(CHAT, ANIMALS, "owl", "abc")
    assert cache.of(CHAT, ANIMALS, "owl", "abc") is first
    cache.of(CHAT, ANIMALS, "owl", "ab")
    cache.of(CHAT, TREES, "owl", "abc")
    cache.of(CHAT, ANIMALS, "cat", "def")
    assert computed == ["abc", "ab", "abc", "def"]


def test_what_was_not_asked_for_longest_makes_room(computed):
    cache = GradientCache(most_bytes=25)
    for key in ("owl", "cat", "owl", "dog", "owl", "cat"):
        cache.of(CHAT, ANIMALS, key, key)
    assert computed == ["owl", "cat", "dog", "cat"]


def test_what_is_larger_than_all_room_is_given_and_not_kept(computed):
    cache = GradientCache(most_bytes=9)
    assert cache.of(CHAT, ANIMALS, "owl", "abc") is not cache.of(CHAT, ANIMALS, "owl", "abc")
    assert len(computed) == 2
