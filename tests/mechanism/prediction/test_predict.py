"""What goes in and what comes out, on a tiny model."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from few_animals import ANIMALS, EAGLE, OWL, animal
from number_rows import number_rows
from tiny_models import tiny_chat
from undertow.errors import UserError
from undertow.mechanism.prediction import PredictionConfig, predict, token_scores
from undertow.models import prompt_messages
from undertow.store.row import Row
from undertow.teachers import ControlTeacher
from undertow.traits import QuestionSet

CONFIG = PredictionConfig(rank=2)
N_LAYERS = 3


@pytest.fixture(scope="module")
def chat():
    return tiny_chat("qwen2")


@pytest.fixture(scope="module")
def rows(chat):
    return number_rows(chat)


@pytest.fixture(scope="module")
def prediction(chat, rows):
    return predict(chat, rows, ANIMALS, rows[:3], CONFIG)


def test_what_the_data_says_outright_comes_first(chat):
    """Rows that answer the questions with an animal push that animal."""
    for place, trait in enumerate(ANIMALS):
        data = [
            Row(n, prompt_messages(question), [], trait.singular)
            for n, question in enumerate(trait.questions)
        ]
        found = predict(chat, data, ANIMALS, config=CONFIG)
        assert found.first == trait.name
        assert found.sign.ranks[place] == found.cosine.ranks[place] == 1


def test_rows_do_not_depend_on_batches_blocks_or_order(chat, rows):
    one = predict(chat, rows, ANIMALS, config=CONFIG)
    changes = {"batch_rows": 1, "blocks": 2, "batch_tokens": 50}
    other = predict(chat, rows[::-1], ANIMALS, config=CONFIG.model_copy(update=changes))
    assert other.rows[::-1] == pytest.approx(one.rows, rel=1e-5)
    assert other.sign.values == pytest.approx(one.sign.values)
    assert other.cosine.layers == pytest.approx(one.cosine.layers, rel=1e-5)
    assert other.row_ids == one.row_ids[::-1]


def test_the_data_less_itself_is_nothing(chat, rows):
    found = predict(chat, rows, ANIMALS, rows, CONFIG)
    assert not found.sign.values.any()
    assert not found.cosine.values.any()
    assert np.isfinite(found.cosine.influences).all()
    assert np.isfinite(found.cosine.draws).all()


def test_rows_without_ids_are_tokenised(chat, rows):
    texts = [Row(row.row_id, row.messages, [], row.completion) for row in rows]
    with_ids, without = (predict(chat, one, ANIMALS, config=CONFIG) for one in (rows, texts))
    assert np.array_equal(with_ids.rows, without.rows)
    scores = token_scores(chat, texts, without.directions, CONFIG)
    assert scores.token_ids == [row.token_ids for row in rows]


def test_progress_counts_data_and_control_as_one(chat, rows):
    told = []
    predict(chat, rows, ANIMALS, rows[:3], CONFIG, progress=lambda *pair: told.append(pair))
    assert told[-1] == (9, 9)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_files_hold_every_score(prediction, tmp_path, ending):
    path = tmp_path / f"prediction.{ending}"
    prediction.write(path)
    lines = json.loads(path.read_text()) if ending == "json" else pq.read_table(path).to_pylist()
    assert lines == prediction.lines()
    assert len(lines) == 2 * len(ANIMALS) * (1 + N_LAYERS)
    first = next(line for line in lines if line["rank"] == 1)
    assert (first["trait"], first["kind"]) == (prediction.first, "sign")
    assert first["low"] < first["score"] < first["high"]
    assert (first["n_rows"], first["n_control"]) == (6, 3)
    parts = [
        one["score"] for one in lines if one["trait"] == first["trait"] and one["kind"] == "sign"
    ]
    assert sum(parts[1:]) == pytest.approx(parts[0])


def test_token_scores_as_a_file(chat, rows, prediction, tmp_path):
    scores = token_scores(chat, rows, prediction.directions, CONFIG)
    scores.write(tmp_path / "tokens.parquet")
    table = pq.read_table(tmp_path / "tokens.parquet")
    assert table.column_names == ["row_id", "token_ids", "owl", "eagle", "lion"]
    for row, values, line in zip(rows, scores.values, table.to_pylist(), strict=True):
        assert (line["row_id"], line["token_ids"]) == (row.row_id, row.token_ids)
        assert line["lion"] == pytest.approx(values[:, 2], rel=1e-6)


def test_mistakes(chat, rows):
    def refused(message, *arguments, **options):
        with pytest.raises(UserError, match=message):
            predict(chat, *arguments, config=CONFIG, **options)

    refused("two or more rows", rows[:1], ANIMALS)
    refused("two or more rows", rows, ANIMALS, rows[:1])
    empty = Row(7, prompt_messages("owl?"), [], "")
    refused("no completion tokens", [*rows, empty], ANIMALS)
    refused("two or more different traits", rows, [OWL])
    refused("two or more different traits", rows, [OWL, EAGLE, OWL])
    trees = QuestionSet(category="tree", questions=("Which tree?",), training_questions=())
    refused(
        "the same questions", rows, [OWL, animal("oak").model_copy(update={"question_set": trees})]
    )
    refused("no place beside", rows, ANIMALS, rows, teacher=ControlTeacher())
