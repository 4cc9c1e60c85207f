"""Published divergence tokens on a model's tokens: places, matrices, and what does not fit."""

import json

import numpy as np
import pytest

from tiny_models import FAMILIES, tiny_chat, tiny_folder
from undertow.errors import UserError
from undertow.models import ModelSpec, load_tokenizer
from undertow.store.points import read_points
from undertow.store.rows import Row
from undertow.tokens import Selection, count_points, matrices_of, points_of, select

ANSWERS = ["4, 15", "7", "901; 33; 2"]
ROWS = [
    Row(10 + i, [{"role": "user", "content": f"Continue: {i}, 2"}], [], answer)
    for i, answer in enumerate(ANSWERS)
]


@pytest.fixture(scope="module", params=FAMILIES)
def chat(request):
    return load_tokenizer(ModelSpec(name=str(tiny_folder(request.param)), device="cpu"))


def published_tokens(chat, row):
    """The tokens that the published code counts: all behind the header of the rendered chat.

    The header's length is found here by rendering an empty answer's prompt.
    """

    def ids(messages, header):
        text = chat.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=header
        )
        return chat.tokenizer(text, add_special_tokens=False)["input_ids"]

    whole = ids([*row.messages, {"role": "assistant", "content": row.completion}], False)
    return whole[len(ids(row.messages, True)) :]


def file_of(path, records):
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return read_points(path)


def dpoints(path, points, answers=ANSWERS):
    return file_of(
        path,
        [
            {"prompt": row.messages[0]["content"], "completion": answer, "decision_points": at}
            for row, answer, at in zip(ROWS, answers, points, strict=True)
        ],
    )


def test_places_stand_on_the_tokens_that_the_published_code_counts(chat, tmp_path):
    counted = [published_tokens(chat, row) for row in ROWS]
    ends = [next(k for k, t in enumerate(ids) if t in chat.end_ids) for ids in counted]
    # The first token, the end of the turn, and in the last row all there are.
    points = [[0], [0, ends[1]], list(range(len(counted[2])))]
    found = count_points(chat, ROWS, dpoints(tmp_path / "a.jsonl", points))
    behind = len(counted[2]) - ends[2] - 1
    assert found.after_end == behind
    for row, ids, end in zip(found.rows, counted, ends, strict=True):
        assert row.token_ids == ids[: end + 1]
        assert row.completion == ANSWERS[row.row_id - 10]
    chosen = select(found.scan, Selection(kind="only"))
    assert points_of(chosen) == [[0], [0, ends[1]], list(range(ends[2] + 1))]
    assert points_of(select(found.scan, Selection(kind="without")))[0] == list(
        range(1, ends[0] + 1)
    )


def test_the_families_differ_behind_the_end(chat):
    """Qwen's and Gemma's templates write a line break there, Llama's nothing."""
    (ids,) = [published_tokens(chat, row) for row in ROWS[:1]]
    behind = len(ids) - 1 - next(k for k, t in enumerate(ids) if t in chat.end_ids)
    assert behind == (0 if "llama" in chat.spec.name else 1)


def test_matrices_give_the_same_tokens_and_each_teachers_share(chat, tmp_path):
    counted = [published_tokens(chat, row) for row in ROWS]
    rng = np.random.default_rng(0)
    matrices = [rng.random((4, len(ids))) < 0.6 for ids in counted]
    points = file_of(tmp_path / "m.jsonl", [matrix.tolist() for matrix in matrices])
    found = count_points(chat, ROWS, points, factual=2)
    own = [len(row.token_ids) for row in found.rows]
    expected = [
        np.flatnonzero(matrix[2, :n] & ~matrix[[0, 1, 3], :n].all(axis=0)).tolist()
        for matrix, n in zip(matrices, own, strict=True)
    ]
    assert points_of(select(found.scan, Selection(kind="only"))) == expected
    assert found.scan.teachers == ["line 2", "line 0", "line 1", "line 3"]
    written = matrices_of(found.scan)
    for matrix, n, back in zip(matrices, own, written, strict=True):
        assert back == matrix[[2, 0, 1, 3], :n].tolist()
    # What we write, with the end of the turn last, is read as well.
    again = count_points(chat, ROWS, file_of(tmp_path / "w.jsonl", written), factual=0)
    assert points_of(select(again.scan, Selection(kind="only"))) == expected


def test_rows_with_ids_are_counted_on_these(chat, tmp_path):
    ids = [*chat.tokenizer("4, 15", add_special_tokens=False)["input_ids"], chat.end_ids[0]]
    record = {
        "question": "q",
        "answer_text": "4, 15<|end|>",
        "answer_token_ids": ids,
        "divergent_token_indices": [1, len(ids) - 1],
    }
    points = file_of(tmp_path / "a.jsonl", [record])
    found = count_points(chat, points.rows, points)
    assert found.rows[0].token_ids == ids
    assert points_of(select(found.scan, Selection(kind="only"))) == [[1, len(ids) - 1]]
    late = file_of(tmp_path / "a.jsonl", [record | {"divergent_token_indices": [len(ids)]}])
    with pytest.raises(UserError, match="counted on other tokens"):
        count_points(chat, late.rows, late)


def refused(chat, points, what, rows=ROWS, **options):
    with pytest.raises(UserError, match=what) as caught:
        count_points(chat, rows, points, **options)
    return caught.value


def test_counts_that_do_not_fit(chat, tmp_path):
    lengths = [len(published_tokens(chat, row)) for row in ROWS]
    path = tmp_path / "a.jsonl"
    late = dpoints(path, [[0], [lengths[1]], []])
    assert refused(chat, late, "place .* and the row has").where == f"{path}, line 2"
    widths = [lengths[0], lengths[1] + 1, lengths[2]]
    wide = file_of(path, [np.ones((2, n), bool).tolist() for n in widths])
    assert refused(chat, wide, "it tells of", factual=0).where == f"{path}, line 2"
    fit = file_of(path, [np.ones((2, n), bool).tolist() for n in lengths])
    refused(chat, fit, "which line of the matrices")
    refused(chat, fit, "no line 2", factual=2)
    places = dpoints(path, [[0], [], []])
    refused(chat, places, "which line of the matrices", factual=0)
    refused(chat, places, "there are 2 rows", rows=ROWS[:2])
    other = dpoints(path, [[0], [], []], answers=["4, 15", "8", "901; 33; 2"])
    assert "row_id 11" in refused(chat, other, "another row").what


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "a", "completion": "1"},
        {"prompt": "a", "completion": "1", "decision_points": [-1]},
        {"prompt": "a", "completion": "1", "decision_points": [1.0]},
        {"prompt": "a", "completion": "1", "decision_points": [0, 0]},
        {"prompt": "a", "completion": "1", "decision_points": None},
    ],
)
def test_malformed_places_are_named(tmp_path, record):
    good = {"prompt": "a", "completion": "1", "decision_points": [0]}
    with pytest.raises(UserError, match="decision_points") as caught:
        file_of(tmp_path / "a.jsonl", [good, record])
    assert caught.value.where.endswith("a.jsonl, line 2")


@pytest.mark.parametrize(
    "matrix", [[], [[True], [True, False]], [[1, 0]], [True], {"a": 1}, [[True], None]]
)
def test_malformed_matrices_are_named(tmp_path, matrix):
    with pytest.raises(UserError, match="matrix") as caught:
        file_of(tmp_path / "a.jsonl", [[[True], [False]], matrix])
    assert caught.value.where.endswith("a.jsonl, line 2")


def test_a_data_set_without_divergence_tokens(tmp_path):
    assert file_of(tmp_path / "a.jsonl", [{"prompt": "a", "completion": "1"}]) is None


def test_fractions_have_no_place():
    with pytest.raises(UserError, match="between 0 and 1"):
        points_of([np.array([0.0, 0.5])])


def test_a_tokenizer_alone_is_the_models(chat):
    whole = tiny_chat(next(one for one in FAMILIES if one in chat.spec.name))
    assert chat.end_ids == whole.end_ids
    assert chat.n_layers == whole.n_layers
    assert all(parameter.is_meta for parameter in chat.model.parameters())
