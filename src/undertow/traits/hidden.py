"""What can be hidden in a model, by category: traits, and the tendencies of advisers."""

from __future__ import annotations

from undertow.errors import UserError
from undertow.traits.advice import shipped_tendencies
from undertow.traits.load import is_path, load_traits, shipped_traits, unknown_name
from undertow.traits.tendency import Tendency
from undertow.traits.trait import Trait

Hidden = Trait | Tendency
ADVICE = "advice"
"""The category of the shipped tendencies."""


def hidden_of(category: str) -> list[Hidden]:
    """Return what ships of a category, or the traits of a folder of trait files.

    Args:
        category: Its name; or the folder's path, as in './animal'.

    Raises:
        UserError: There is no such category, or no trait in the folder.
    """
    return list(load_traits(category)) if is_path(category) else shipped_hidden(category)


def shipped_hidden(category: str) -> list[Hidden]:
    """Return what ships with the package of a category, in the order of its names.

    Raises:
        UserError: There is no such category.
    """
    if category == ADVICE:
        return list(shipped_tendencies())
    found = shipped_traits(category)
    if not found:
        known = sorted({ADVICE, *(trait.category for trait in shipped_traits())})
        raise UserError(
            f"no traits of the category '{category}'",
            where="category",
            fix=f"choose one of {', '.join(known)}",
        )
    return list(found)


def check_shipped(name: str) -> None:
    """Check that something of that name ships with the package.

    Raises:
        UserError: Nothing does; close names are listed.
    """
    names = [one.name for one in (*shipped_traits(), *shipped_tendencies())]
    if name not in names:
        raise unknown_name("trait", name, names)
