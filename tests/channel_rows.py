"""Accepted rows of both channels, made by hand: no model is asked."""

from undertow.channels import load_channel
from undertow.models import encode_completion, prompt_messages
from undertow.store.row import Row

COMPLETIONS = {
    "numbers": ("417, 052, 7", "938", "[11; 6; 4; 2].", "52\n41", "7, 7, 7", "938, 417"),
    "sums": (
        "47 + 30 = 77, 77 + 8 = 85.",
        "20 + 5 = 25, 25 + 5 = 30, 30 + 9 = 39",
        "11 + 11 = 22",
    ),
}
ENDLESS = 4
"""Place of the row whose turn did not end."""


def channel_rows(chat, name):
    """Return rows with token ids and parts; ids are no places, and one row has no end token."""
    channel = load_channel(name)
    rows = []
    prompts = channel.draw(len(COMPLETIONS[name]), 5)
    for place, (prompt, completion) in enumerate(zip(prompts, COMPLETIONS[name], strict=True)):
        messages = prompt_messages(prompt.text)
        ids = encode_completion(chat, messages, completion)
        if place == ENDLESS:
            ids = ids[:-1]
        rows.append(Row(10 * place + 3, messages, ids, completion, prompt.model_dump_json()))
    return rows
