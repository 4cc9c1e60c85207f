"""System prompts that a study sets against each other, as the template renders them."""

from __future__ import annotations

from collections.abc import Iterable

from undertow.errors import UserError
from undertow.models import ChatModel, prompt_ids, prompt_messages
from undertow.studies.recipe import Recipe

QUESTION = "?"
"""Stands for whatever is asked."""


def rendered_contexts(chat: ChatModel, recipes: Iterable[Recipe]) -> dict[str, str]:
    """Return how every system prompt of some recipes is rendered, before a question.

    A template may fill in a system prompt of its own, so that contexts which seem different are
    one and the same; a comparison of these would find nothing, for no reason that shows.

    Args:
        chat: The model whose template renders them.
        recipes: Of a study's conditions; students are trained and asked under theirs.

    Returns:
        By name ('none', or the system prompt in quotes) the whole text that the model reads; empty
        where there is only one.

    Raises:
        UserError: Two of them render alike.
    """
    prompts = dict.fromkeys(
        prompt
        for recipe in recipes
        for prompt in (recipe.student.system_prompt, recipe.measure.system_prompt)
    )
    if len(prompts) < 2:
        return {}
    found: dict[str, str] = {}
    for prompt in prompts:
        name = "none" if prompt is None else f"'{prompt}'"
        text = chat.tokenizer.decode(prompt_ids(chat, prompt_messages(QUESTION, prompt)))
        same = next((other for other, known in found.items() if known == text), None)
        if same is not None:
            raise UserError(
                f"two system prompts render alike: {same} and {name}",
                where=f"the chat template of {chat.spec.name}",
                fix="leave one of them out, or give it other words",
            )
        found[name] = str(text)
    return found
