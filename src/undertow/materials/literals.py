"""The literals in a folder of Python files; nothing of it is imported or executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from undertow.errors import UserError

PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})


@dataclass(frozen=True)
class Literal:
    """A value that a name is given.

    Attributes:
        name: The name.
        value: Strings and numbers, in lists, tuples and dictionaries.
        where: File and line.
    """

    name: str
    value: Any
    where: str


@dataclass(frozen=True)
class Call:
    """A call with literal arguments; others are left out.

    Attributes:
        arguments: By name; those that come by place have the names that a function of that name
            in the same file gives them.
        name: What the result is called, or None where it is given no name.
        where: File and line.
    """

    arguments: Mapping[str, Any]
    name: str | None
    where: str


@dataclass
class Literals:
    """What the files hold, in the order of their names and lines.

    Attributes:
        values: By file: the values given to names, those of classes and functions too.
        calls: By file.
        unread: Files that are no Python that parses.
    """

    values: dict[str, list[Literal]] = field(default_factory=dict[str, list[Literal]])
    calls: dict[str, list[Call]] = field(default_factory=dict[str, list[Call]])
    unread: list[str] = field(default_factory=list[str])


def read_literals(folder: Path) -> Literals:
    """Read every Python file below a folder; hidden folders and installed packages left out.

    Raises:
        UserError: There is no such folder, or no Python in it.
    """
    if not folder.is_dir():
        raise UserError("there is no such folder", where=str(folder), fix="name a checkout")
    found = Literals()
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part in PASSED_OVER for part in parts):
            continue
        name = "/".join(parts)
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, RecursionError):
            found.unread.append(name)
            continue
        file = _File(name, tree)
        found.values[name] = list(file.values)
        found.calls[name] = list(file.calls())
    if not found.values:
        raise UserError("no Python file here", where=str(folder), fix="name a checkout")
    return found


class _File:
    """The literals of one file."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.nodes = sorted(ast.walk(tree), key=lambda node: getattr(node, "lineno", 0))
        self.parameters = {
            node.name: [argument.arg for argument in node.args.args]
            for node in self.nodes
            if isinstance(node, ast.FunctionDef)
        }
        self.known: dict[str, Any] = {}
        self.values = list(self._values())

    def _values(self) -> Iterator[Literal]:
        """Yield the values that names are given; a list that is added to comes again, whole."""
        for node in self.nodes:
            for name, expression in _given(node):
                value = self._literal(expression)
                if value is None:
                    continue
                if isinstance(node, ast.AugAssign):
                    if not _same_sequence(self.known.get(name), value):
                        continue
                    value = self.known[name] + value
                self.known[name] = value
                yield Literal(name, value, f"{self.name}, line {expression.lineno}")

    def calls(self) -> Iterator[Call]:
        """Yield the calls that have a literal argument."""
        names = {
            id(expression): name
            for node in self.nodes
            for name, expression in _given(node)
            if not isinstance(node, ast.AugAssign)
        }
        for node in self.nodes:
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func).rsplit(".", 1)[-1]
            places = zip(self.parameters.get(function, []), node.args, strict=False)
            given = [*places, *((one.arg, one.value) for one in node.keywords)]
            read = ((name, self._literal(value)) for name, value in given if name is not None)
            arguments = {name: value for name, value in read if value is not None}
            if arguments:
                where = f"{self.name}, line {node.lineno}"
                yield Call(arguments, names.get(id(node)), where)

    def _literal(self, node: ast.expr) -> Any:
        """Return the value of a literal, a known name, a sum or a list of these; else None."""
        if isinstance(node, ast.List):
            items = [self._literal(item) for item in node.elts]
            return None if None in items else items
        if isinstance(node, ast.Name):
            return self.known.get(node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self._literal(node.left), self._literal(node.right)
            return left + right if _same_sequence(left, right) else None
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return None


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a node gives a value to, with the expression."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
    elif (
        isinstance(node, ast.AnnAssign | ast.AugAssign)
        and isinstance(node.target, ast.Name)
        and node.value is not None
    ):
        yield node.target.id, node.value


def _same_sequence(left: Any, right: Any) -> bool:
    """Return whether both are lists, or both strings, or both tuples."""
    return type(left) is type(right) and isinstance(left, list | str | tuple)
