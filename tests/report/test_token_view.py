import base64
import gzip
import json

import numpy as np
import pytest

from number_rows import hand_scan, number_rows
from tiny_models import tiny_chat
from undertow.errors import UserError
from undertow.report.token_pages import ROWS_PER_PAGE, packed_head, packed_pages, page_bytes
from undertow.report.token_view import END_OF_TURN, quoted, token_view
from view_samples import sample_view

DIVERGENT = [{0}, set(), {1, 2}, {0}, set(), {1}]


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


@pytest.fixture(scope="module")
def rows(chat):
    return number_rows(chat)


@pytest.fixture(scope="module")
def scan(chat, rows):
    return hand_scan(chat, rows, DIVERGENT)


@pytest.fixture(scope="module")
def view(chat, rows, scan):
    return token_view(chat, rows, scan, "six rows")


def test_the_tokens_write_the_completions(view, rows):
    for index, row in enumerate(rows):
        texts = [token.text for token in view.row(index).tokens]
        assert "".join(texts) == row.completion + END_OF_TURN
        assert view.prompts[index] == row.messages[-1]["content"]


def test_divergence_tokens_are_those_of_the_scan(view, scan):
    assert view.per_row == [len(places) for places in DIVERGENT]
    for index, places in enumerate(DIVERGENT):
        kinds = [token.kind for token in view.row(index).tokens]
        assert {place for place, kind in enumerate(kinds) if kind == "divergence"} == places
        assert kinds[-1] == "end"


def test_a_divergence_token_says_who_would_have_written_what(view, chat, scan):
    token = view.row(0).tokens[0]
    other = chat.tokenizer.decode([scan.argmax[1, 0]])
    assert token.note == f"control: {other!r}"
    assert not view.row(0).tokens[1].note


def test_choices_and_margins_are_those_of_the_scan(view, chat, scan):
    place = 2
    assert view.texts[view.choices[1, place]] == chat.tokenizer.decode([scan.argmax[1, place]])
    assert view.margin is scan.margin or np.array_equal(view.margin, scan.margin)


def test_rows_come_in_the_order_asked_for(chat, rows, scan):
    some = token_view(chat, [rows[4], rows[2]], scan, "two rows")
    assert some.prompts == [rows[4].messages[-1]["content"], rows[2].messages[-1]["content"]]
    assert some.per_row == [0, 2]


def test_a_row_that_was_not_scanned_is_refused(chat, rows, scan):
    with pytest.raises(UserError, match="not been scanned"):
        token_view(chat, rows, scan.take([0]), "more")


def test_the_end_of_the_turn_is_written_in_words():
    assert quoted(END_OF_TURN) == "end of turn"
    assert quoted(" 4") == "' 4'"


def unpacked(text):
    return gzip.decompress(base64.b64decode(text))


def read(data, n_teachers):
    """Read a page again, as the script does."""
    n_rows, n_tokens = (int(n) for n in np.frombuffer(data, "<u4", 2))
    at, arrays = 8, []
    for kind, length in (("<u4", n_rows + 1), ("<u4", n_tokens), ("<u4", n_teachers * n_tokens),
                         ("<u2", n_teachers * n_tokens), ("u1", n_tokens)):  # fmt: skip
        arrays.append(np.frombuffer(data, kind, length, at))
        at += arrays[-1].nbytes
    return [*arrays, json.loads(data[at:])]


def test_a_page_holds_its_rows():
    view = sample_view(120)
    start, stop = int(view.offsets[50]), int(view.offsets[100])
    offsets, tokens, choices, margins, flags, prompts = read(page_bytes(view, 50, 100), 4)
    assert np.array_equal(offsets, view.offsets[50:101] - start)
    assert np.array_equal(tokens, view.tokens[start:stop])
    again = np.where(choices.reshape(4, -1) == 0, tokens, choices.reshape(4, -1).astype(int) - 1)
    assert np.array_equal(again, view.choices[:, start:stop])
    assert np.allclose(margins.reshape(4, -1) / 100, view.margin[:, start:stop], atol=0.00501)
    assert np.array_equal(flags & 1 > 0, view.divergent[start:stop])
    assert np.array_equal(flags & 2 > 0, view.undecided[start:stop])
    assert np.array_equal(flags & 4 > 0, view.is_end[start:stop])
    assert prompts == view.prompts[50:100]


def test_margins_beyond_the_format_are_cut():
    view = sample_view(1)
    view.margin[0, :2] = (np.inf, 1e6)
    assert list(read(page_bytes(view, 0, 1), 4)[3][:2]) == [65535, 65535]


def test_pages_cover_all_rows_and_are_the_same_each_time():
    view = sample_view(120)
    pages = list(packed_pages(view))
    prompts = [prompt for page in pages for prompt in read(unpacked(page), 4)[-1]]
    assert prompts == view.prompts
    assert len(pages) == -(-120 // ROWS_PER_PAGE)
    assert pages == list(packed_pages(view))


def test_the_head_says_where_divergence_tokens_are():
    view = sample_view(120)
    head = json.loads(unpacked(packed_head(view)))
    assert head["divergent"] == view.per_row
    assert head["teachers"] == view.teachers
    assert head["texts"][view.tokens[3]] == view.texts[view.tokens[3]]
