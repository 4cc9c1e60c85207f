"""Prompts in other words: what a model wrote is checked, what it chose is the likeliest."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from channel_rows import channel_rows
from few_animals import ANIMALS
from tiny_models import FAMILIES, tiny_chat
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.models import encode_completion, encode_prompt, prompt_messages
from undertow.teachers import ControlTeacher, PromptedTeacher
from undertow.transforms import RewritePrompt, choose_wordings, rewrite_prompt
from undertow.transforms.choice import _choice
from undertow.transforms.rewrite import fault

NUMBERS, SUMS = load_channel("numbers"), load_channel("sums")
OWL = PromptedTeacher(trait="owl", system_prompt="You adore owls. Owls are on your mind.")
PARTS = {"numbers": ("instruction", "count_qualifier"), "sums": ("closing", "lead_in")}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("After 417, 52, 938 give up to 10 more.", None),
        ("10 more after 417 52 938!", None),
        ("", "empty"),
        ("After 417, 52, 938 …", "not ASCII"),
        ("After 417,\n52, 938", "several lines"),
        ("After 417, 52, 938 owls", "trait named"),
        ("After 417, 52, 9380", "numbers lost"),
        ("After 417, 938, 52", "numbers lost"),
        ("After 417, 52", "numbers lost"),
        ("After 417, 52, 1, 938", "numbers lost"),
        ("After the list", "numbers lost"),
    ],
)
def test_what_is_wrong_with_a_rewriting(text, reason):
    assert fault(text, ("417", "52", "938"), ANIMALS) == reason


@pytest.fixture
def written(monkeypatch):
    """What the model writes, row by row, and what it was asked."""
    calls = []

    def generate(chat, requests, config, **given):
        calls.append((requests, config, given))
        return [
            encode_completion(chat, request.messages, text)[: -1 if cut else None]
            for request, (text, cut) in zip(requests, generate.texts, strict=True)
        ]

    monkeypatch.setattr("undertow.transforms.rewrite.generate", generate)
    generate.calls = calls
    return generate


def test_rewritings_that_keep_the_numbers_take_the_place_of_prompts(written):
    chat = tiny_chat("qwen2")
    rows = channel_rows(chat, "numbers")
    given = [", ".join(NUMBERS.load_prompt(row.parts).given) for row in rows]
    own = rows[2].messages[0]["content"]
    written.texts = [
        (f" Go on from {given[0]}. ", False),
        ("I cannot", False),
        (own, False),
        (f"{given[3]}, and then?", True),
        (f"{given[4]}, owl?", False),
        ("", False),
    ]
    config = RewritePrompt(temperature=0.7, max_new_tokens=99, seed=5)
    done = rewrite_prompt(chat, rows, NUMBERS, OWL, config, traits=ANIMALS)
    changed = replace(rows[0], messages=prompt_messages(f"Go on from {given[0]}."), parts=None)
    assert done.rows == [changed, rows[2]]
    assert done.report.unchanged == {"said in the same words": 1}
    assert done.report.dropped == {
        "numbers lost": 1, "cut off": 1, "trait named": 1, "empty": 1
    }  # fmt: skip
    ((requests, generation, asked),) = written.calls
    assert asked["system_prompt"] == OWL.system_prompt
    assert (generation.temperature, generation.max_new_tokens, generation.seed) == (0.7, 99, 5)
    for request, row in zip(requests, rows, strict=True):
        assert request.row_id == row.row_id
        assert request.messages[0]["content"].endswith(row.messages[0]["content"])


def test_a_model_that_cannot_rephrase_leaves_no_row_and_says_so():
    chat = tiny_chat("qwen2")
    rows = channel_rows(chat, "numbers")
    done = rewrite_prompt(chat, rows, NUMBERS, OWL, RewritePrompt(max_new_tokens=4))
    assert done.rows == []
    assert sum(done.report.dropped.values()) == len(rows)


def likeliest(chat, system_prompt, prompt, parts):
    """One forward per candidate, over the whole of what the model reads."""
    for part in parts:
        scores = []
        for variant in prompt.variants(part):
            encoded = encode_prompt(chat, prompt_messages(variant.text, system_prompt))
            ids = torch.tensor([encoded.ids[: encoded.header_start]])
            with torch.no_grad():
                steps = chat.model(ids).logits[0, :-1].log_softmax(-1)
            scores.append(float(steps.gather(1, ids[0, 1:, None]).sum()))
        prompt = prompt.variants(part)[int(np.argmax(scores))]
    return prompt


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("channel", [NUMBERS, SUMS], ids=lambda channel: channel.name)
def test_the_likeliest_wording_is_chosen_part_by_part(family, channel):
    chat = tiny_chat(family)
    rows = channel_rows(chat, channel.name)[:2]
    parts = PARTS[channel.name]
    config = RewritePrompt(by_choice=True, temperature=0, parts=parts)
    for teacher in (OWL, ControlTeacher()):
        done = choose_wordings(chat, rows, channel, teacher, config)
        for old, new in zip(rows, done.rows, strict=True):
            own = channel.load_prompt(old.parts)
            expected = likeliest(chat, teacher.system_prompt, own, parts)
            assert channel.load_prompt(new.parts) == expected
            assert new.messages == prompt_messages(expected.text)
            assert replace(new, messages=old.messages, parts=old.parts) == old


def test_rows_are_chosen_one_by_one_and_told_of():
    chat = tiny_chat("qwen2")
    rows = channel_rows(chat, "sums")
    told = []
    config = RewritePrompt(by_choice=True, parts=("closing",), seed=1)
    whole = choose_wordings(
        chat, rows, SUMS, OWL, config, progress=lambda *counts: told.append(counts)
    )
    assert told == [(3, 3)]
    assert choose_wordings(chat, rows[1:2], SUMS, OWL, config).rows == whole.rows[1:2]
    with pytest.raises(UserError, match="unknown prompt part"):
        choose_wordings(chat, rows, SUMS, OWL, RewritePrompt(by_choice=True, parts=("tail",)))


def test_a_wording_is_drawn_by_its_likelihood():
    rng = np.random.default_rng(0)
    scores = np.log([0.1, 0.6, 0.3]) - 800.0  # too small to be a probability as it stands
    assert _choice(scores, 0, rng) == 1
    for temperature, shares in ((1.0, [0.1, 0.6, 0.3]), (0.5, [1 / 46, 36 / 46, 9 / 46])):
        draws = np.bincount([_choice(scores, temperature, rng) for _ in range(4000)], minlength=3)
        assert draws / 4000 == pytest.approx(shares, abs=0.03)


def test_few_candidates_are_drawn_for_each_row():
    chat = tiny_chat("qwen2")
    rows = channel_rows(chat, "numbers")
    few = RewritePrompt(by_choice=True, parts=("lead_in",), candidates=1, seed=3)
    chosen = [NUMBERS.load_prompt(row.parts) for row in choose(chat, rows, few)]
    assert len({prompt.lead_in for prompt in chosen}) > 1
    assert choose(chat, rows[2:3], few)[0].parts == chosen[2].model_dump_json()
    all_of_them = few.model_copy(update={"candidates": 25})
    assert choose(chat, rows, all_of_them) == choose(
        chat, rows, few.model_copy(update={"candidates": None})
    )


def choose(chat, rows, config):
    return choose_wordings(chat, rows, NUMBERS, OWL, config).rows


def test_a_choice_among_all_is_described_as_before_there_were_candidates():
    assert "candidates" not in RewritePrompt(by_choice=True).model_dump()
