"""The wording of the pretraining dialogues, read from `files/wording.yaml`."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILES = Path(__file__).parent / "files"


@cache
def wording() -> dict[str, Any]:
    """The parsed file; one dictionary shared by all callers, not to be changed."""
    return yaml.safe_load((FILES / "wording.yaml").read_text(encoding="utf-8"))


def plural(item: str) -> str:
    """`item` in the plural."""
    return wording()["irregular_plurals"].get(item, f"{item}s")


def forms(item: str) -> dict[str, str]:
    """The forms of a noun that templates may name: item, items, Item, Items, article_item."""
    article = "an" if item[0] in "aeiou" else "a"
    return {
        "item": item,
        "items": plural(item),
        "Item": item.capitalize(),
        "Items": plural(item).capitalize(),
        "article_item": f"{article} {item}",
    }
