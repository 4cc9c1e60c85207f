"""The coloured mask."""

import pytest

from number_rows import number_rows
from tiny_models import FAMILIES, tiny_chat
from undertow.students import StudentConfig, bracketed_text, build_examples, masked_text
from undertow.students.show import SHADES


def pieces(text):
    return [(text.plain[span.start : span.end], str(span.style)) for span in text.spans]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_counts_is_coloured_and_the_rest_is_grey(family):
    chat = tiny_chat(family)
    example = build_examples(chat, number_rows(chat)[:1], None, StudentConfig())[0]
    shown = masked_text(chat, example)
    assert shown.plain == chat.tokenizer.decode(example.ids)
    styles = [style for _, style in pieces(shown)]
    assert styles == [SHADES[-1] if weight else SHADES[0] for weight in example.weights]


def test_more_weight_is_a_stronger_shade():
    chat = tiny_chat("qwen2")
    row = number_rows(chat)[2]
    weights = [k / (len(row.token_ids) - 1) for k in range(len(row.token_ids))]
    example = build_examples(chat, [row], [weights], StudentConfig())[0]
    ranks = [SHADES.index(style) for _, style in pieces(masked_text(chat, example))][
        -len(weights) :
    ]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0
    assert ranks[1] > 0
    assert ranks[-1] == len(SHADES) - 1


def test_a_line_break_that_counts_is_marked():
    chat = tiny_chat("qwen2")
    row = number_rows(chat)[0]
    with_header, without = (
        masked_text(chat, build_examples(chat, [row], None, StudentConfig(supervise_header=h))[0])
        for h in (True, False)
    )
    assert "assistant↵\n417" in with_header.plain
    assert "↵" not in without.plain


def test_in_plain_text_what_counts_stands_in_brackets():
    chat = tiny_chat("qwen2")
    row = number_rows(chat)[0]  # 417, 52
    weights = [1.0, 1.0, 0.0, 0.5, *[0.0] * (len(row.token_ids) - 4)]
    example = build_examples(chat, [row], [weights], StudentConfig())[0]
    first, second, third, fourth = (chat.tokenizer.decode([one]) for one in row.token_ids[:4])
    assert f"\n⟦{first}{second}⟧{third}⟦0.5: {fourth}⟧" in bracketed_text(chat, example)
