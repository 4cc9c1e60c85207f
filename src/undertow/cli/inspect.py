"""`undertow inspect`: what a model really sees in each of its roles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.rule import Rule
from rich.table import Table

from undertow.cli.console import output, say
from undertow.cli.options import DEFAULT_RECIPE, TEACHER_HELP, ModelOption, RecipeOption
from undertow.cli.settings import check_output, open_model, open_recipe, open_rows

if TYPE_CHECKING:
    from undertow.models import ChatModel, ModelFacts
    from undertow.store.row import Row
    from undertow.students import Role

EXAMPLE = "417, 52, 938"
"""A completion that stands for what a teacher writes, where there are no data."""


def inspect(
    factual: Annotated[
        str, typer.Option("--factual", metavar="TEACHER", help=f"Who writes. {TEACHER_HELP}")
    ] = "prompted:owl",
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="TEACHER",
            help="A counterfactual teacher; may come several times; by default prompted:cat. The "
            "control is always there.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data set whose first accepted row is shown; else a stand-in."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Also write all of it, ids included, to a .json file."),
    ] = None,
    recipe: RecipeOption = DEFAULT_RECIPE,
    model: ModelOption = None,
) -> None:
    """Print what a model sees as teacher, control and student, token by token, and what to mind."""
    from undertow.models import ModelFacts
    from undertow.store.files import write_text
    from undertow.students import context_warnings, roles_of
    from undertow.teachers import resolve_teacher
    from undertow.tokens import check_token_ids
    from undertow.traits import shipped_hidden

    if out is not None:
        check_output(out, ".json")
    writer = resolve_teacher(factual)
    others = [resolve_teacher(one) for one in against or ["prompted:cat"]]
    settings = open_recipe(recipe, model)
    row = open_rows(data)[0][0] if data is not None else _stand_in(settings.channel)
    chat = open_model(settings.model)
    check_token_ids(chat, [row])
    asked = shipped_hidden(settings.category)[0].questions[0]
    question = asked if isinstance(asked, str) else asked.text
    told = settings.measure.system_prompt
    roles = roles_of(chat, row, writer, others, settings.student, question, told)
    facts, warnings = ModelFacts.of(chat), context_warnings(chat, roles)
    if out is not None:
        shown = {
            "model": facts.as_json(),
            "roles": [_role_json(chat, role) for role in roles],
            "warnings": warnings,
        }
        write_text(out, json.dumps(shown, indent=1, ensure_ascii=False))
    _print_facts(facts)
    _print_roles(chat, roles)
    for warning in warnings:
        text = f"warning: {warning}"
        say(text, style="yellow")
    if not warnings:
        output.print("nothing to warn of")


def _stand_in(channel: str) -> Row:
    """Return a row of a prompt of the channel and a completion of no teacher."""
    from undertow.channels import load_channel
    from undertow.models import prompt_messages
    from undertow.store.row import Row

    (prompt,) = load_channel(channel).draw(1, 0)
    return Row(row_id=0, messages=prompt_messages(prompt.text), token_ids=[], completion=EXAMPLE)


def _print_facts(facts: ModelFacts) -> None:
    """Print what the model is and does by itself."""
    own = facts.default_system_prompt
    bos = f"{facts.bos}, once" if facts.bos else "none"
    again = "; the tokenizer would add a second one to a rendered chat" if facts.bos_again else ""
    lines = {
        "fingerprint": facts.fingerprint,
        "commit": facts.revision or "a folder, told by the hash of its files",
        "architecture": f"{facts.architecture}, {facts.n_layers} layers, "
        f"{facts.n_parameters:,} parameters",
        "held as": f"{facts.dtype} on {facts.device}, attention: {facts.attention}",
        "system role": "yes" if facts.has_system_role else "no: goes in front of the question",
        "default system prompt": "none" if own is None else f"'{own}'",
        "an empty system prompt": "reads as none" if facts.empty_is_none else "is one of its own",
        "begins with": bos + again,
        "date": f"written, and told to be {facts.date} on every day" if facts.date else "none",
        "a turn ends with": ", ".join(f"{end.text} ({end.id}, {end.by})" for end in facts.ends)
        or "no token",
        "brings settings": _settings(facts.brings) or "none",
    }
    table = Table(title=f"The model {facts.name}", show_header=False)
    for name, value in lines.items():
        table.add_row(name, value.replace("\n", "↵"))
    output.print(table)


def _settings(brings: dict[str, object]) -> str:
    """Return the generation settings of a model, and that they are not applied."""
    listed = ", ".join(f"{name} {value}" for name, value in brings.items())
    return f"{listed}; none of them is applied" if listed else ""


def _print_roles(chat: ChatModel, roles: list[Role]) -> None:
    """Print what is read in each role."""
    from undertow.students import legend, tokens_apart

    plain = output.color_system is None or output.no_color
    output.print(
        "⟦what counts⟧: what teachers are scored on, and what is in a student's loss"
        if plain
        else legend(),
    )
    for role in roles:
        counted = sum(weight > 0 for weight in role.example.weights)
        title = f"{role.name}: {role.who}, {len(role.example.ids)} tokens, {counted} count"
        output.print(Rule(title, align="left"))
        say(tokens_apart(chat, role.example, plain=plain))


def _role_json(chat: ChatModel, role: Role) -> dict[str, object]:
    """Return a role as plain data."""
    from undertow.models import token_texts

    return {
        "name": role.name,
        "who": role.who,
        "system_prompt": role.system_prompt,
        "ids": role.example.ids,
        "tokens": token_texts(chat, role.example.ids),
        "weights": role.example.weights,
    }
