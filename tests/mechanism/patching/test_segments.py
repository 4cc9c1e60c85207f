"""Parts of a chat, and which positions stand for which."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiny_models import FAMILIES, tiny_chat
from undertow.mechanism.patching import CLASSES, Segmented, aligned, segmented
from undertow.mechanism.patching.segments import Segment
from undertow.models import decode_completion, encode_prompt, prompt_messages

NAMES = ("owl", "owls")


def text_of(chat, found, part):
    """Return what the tokens of a part read as."""
    chosen = np.flatnonzero(found.classes == CLASSES.index(part))
    return chat.tokenizer.decode([found.ids[place] for place in chosen])


@pytest.mark.parametrize("family", FAMILIES)
def test_parts_of_a_prompted_chat(family):
    chat = tiny_chat(family)
    prompt = "You adore Owls. An owl is on your mind, no bowls."
    messages = prompt_messages("owl? Continue: 417.", prompt)
    found = segmented(chat, messages, [40, 41], NAMES)
    encoded = encode_prompt(chat, messages)
    assert found.ids == [*encoded.ids, 40, 41]
    assert found.segments[-1].part == "completion"
    assert len(found.segments[-1]) == 2
    assert found.segments[-2].part == "header"
    assert found.segments[-2].start == encoded.header_start
    assert text_of(chat, found, "before name").rstrip().endswith("You adore")
    assert text_of(chat, found, "first name").strip() == "Owls"
    assert text_of(chat, found, "later names").strip() == "owl"
    assert "bowls" in text_of(chat, found, "rest of system prompt")
    user = text_of(chat, found, "user")
    assert "owl? Continue: 417." in user  # the question's owl is no name of the system prompt
    assert "mind" not in user


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_system_prompt_all_is_the_user_turn(family):
    chat = tiny_chat(family)
    found = segmented(chat, prompt_messages("owl?"), [], NAMES)
    assert [one.part for one in found.segments] == ["user", "header"]


def test_a_prompt_that_names_nothing():
    chat = tiny_chat("llama")
    found = segmented(chat, prompt_messages("owl?", "Be reckless."), [], ())
    assert [one.part for one in found.segments] == ["rest of system prompt", "user", "header"]
    assert decode_completion(chat, found.ids)


PARTS = st.lists(st.sampled_from(CLASSES), max_size=6)
LENGTHS = st.lists(st.integers(1, 4), min_size=6, max_size=6)


def chat_of(parts, lengths):
    """Return segments of parts, each of its length."""
    counts, start, segments = dict.fromkeys(CLASSES, 0), 0, []
    for part, length in zip(parts, lengths, strict=False):
        segments.append(Segment(part, counts[part], start, start + length))
        counts[part] += 1
        start += length
    return Segmented(list(range(start)), segments)


@given(PARTS, LENGTHS, PARTS, LENGTHS)
def test_positions_stand_for_positions_of_their_own_segment(parts, lengths, others, other_lengths):
    target, source = chat_of(parts, lengths), chat_of(others, other_lengths)
    places, unequal = aligned(target, source)
    theirs = {one.key: one for one in source.segments}
    assert len(places) == len(target.ids)
    for one in target.segments:
        found = places[one.start : one.stop]
        other = theirs.get(one.key)
        if other is None:
            assert (found == -1).all()
            continue
        assert found[-1] == other.stop - 1  # the ends belong together
        assert ((found >= other.start) & (found < other.stop)).all()
        assert (np.diff(found) >= 0).all()
        if len(one) >= len(other):
            assert set(found) == set(range(other.start, other.stop))
        else:
            assert (np.diff(found) == 1).all()
    same = sum(len(one) == len(theirs[one.key]) for one in target.segments if one.key in theirs)
    shared = sum(one.key in theirs for one in target.segments)
    apart = len(target.segments) + len(source.segments) - 2 * shared
    assert len(unequal) == shared - same + apart


@given(PARTS, LENGTHS)
def test_a_chat_is_aligned_with_itself_one_to_one(parts, lengths):
    chat = chat_of(parts, lengths)
    places, unequal = aligned(chat, chat)
    assert places.tolist() == list(range(len(chat.ids)))
    assert unequal == []
