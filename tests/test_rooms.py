"""The arrows between rooms point one way; `docs/architecture.md` and the code agree on it."""

import ast
import re
from pathlib import Path

import pytest

ROOMS = [
    "errors", "interrupt", "frozen", "store", "cluster", "models", "traits", "channels",
    "materials", "pretraining", "training", "teachers", "generate", "tokens", "transforms",
    "students", "measure", "mechanism", "studies", "report", "cli",
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "undertow"


def modules(tree: ast.AST, package: list[str]):
    """Yield the dotted names that a file imports, wherever in it, relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # The names may be rooms themselves: `from undertow import store`.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def rooms_imported(code: str, package: list[str]) -> set[str]:
    """Return the rooms that code standing in a package imports from."""
    names = (name.split(".") for name in modules(ast.parse(code), package))
    return {
        name[1] for name in names if name[0] == "undertow" and len(name) > 1 and name[1] in ROOMS
    }


def room_of(path: Path) -> str:
    """Return the room of a file of the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def files() -> list[Path]:
    outside = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")  # the second is the command line
    return sorted(path for path in PACKAGE.rglob("*.py") if path not in outside)


def test_the_document_lists_the_same_rooms():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = re.search(r"```\n(.*?)```", text, re.DOTALL).group(1)
    assert [line.split()[0].rstrip("/") for line in block.splitlines()] == ROOMS


def test_report_and_cli_are_leaves():
    """Nothing stands below them that could take from them but the command line itself."""
    assert ROOMS[-2:] == ["report", "cli"]


def test_every_file_is_in_a_room():
    assert {room_of(path) for path in files()} <= set(ROOMS)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_rooms_above(path):
    room = room_of(path)
    package = ["undertow", *path.relative_to(PACKAGE).parts[:-1]]
    taken = rooms_imported(path.read_text(encoding="utf-8"), package) - {room}
    above = ROOMS[: ROOMS.index(room)]
    assert taken <= set(above), f"{room} imports from below: {sorted(taken - set(above))}"


@pytest.mark.parametrize(
    ("code", "rooms"),
    [
        ("import undertow", set()),
        ("import undertow.store.rows as r", {"store"}),
        ("from undertow import store, __version__", {"store"}),
        ("from undertow.traits import load_trait", {"traits"}),
        ("from ..store import rows", {"store"}),
        ("from .rows import Row", {"models"}),
        ("from .. import tokens", {"tokens"}),
        ("def f():\n    from undertow.cli import main", {"cli"}),
        ("import storehouse\nfrom store import x", set()),
    ],
)
def test_imports_are_seen(code, rooms):
    assert rooms_imported(code, ["undertow", "models"]) == rooms
