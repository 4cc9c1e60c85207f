"""What one model reads in each of its roles, from teacher to student under evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from undertow.models import ChatModel, ModelFacts, prompt_ids, prompt_messages, render_prompt
from undertow.models.facts import QUESTION
from undertow.store.row import Row
from undertow.students.config import StudentConfig
from undertow.students.examples import build_examples
from undertow.teachers import ControlTeacher, Teacher
from undertow.training import Example


@dataclass(frozen=True)
class Role:
    """One role of the model.

    Attributes:
        name: Which, as in 'factual teacher'.
        who: Its label, as in 'owl (prompted)'.
        system_prompt: What it is told; None: nothing, so what the template does by itself.
        example: What it reads. What counts is a completion that a teacher writes or is scored on,
            the supervised span of a student in training, and nothing in evaluation.
    """

    name: str
    who: str
    system_prompt: str | None
    example: Example


def roles_of(
    chat: ChatModel,
    row: Row,
    factual: Teacher,
    counterfactuals: Sequence[Teacher],
    config: StudentConfig,
    question: str,
    evaluation_prompt: str | None,
) -> list[Role]:
    """Return every role's view of a row, and the student's view of an evaluation question.

    Args:
        chat: The model.
        row: A prompt with a completion.
        factual: Who writes the data.
        counterfactuals: Whom the scan compares; the control comes by itself.
        config: How a student trains.
        question: What it is asked afterwards.
        evaluation_prompt: Under which system prompt.
    """

    def teacher(name: str, one: Teacher) -> Role:
        told = StudentConfig(system_prompt=one.system_prompt)
        (example,) = build_examples(chat, [row], None, told)
        return Role(name, one.label, one.system_prompt, example)

    (trained,) = build_examples(chat, [row], None, config)
    asked = prompt_ids(chat, prompt_messages(question, evaluation_prompt))
    return [
        teacher("factual teacher", factual),
        *(teacher("counterfactual teacher", one) for one in counterfactuals),
        teacher("control", ControlTeacher()),
        Role("student in training", "student", config.system_prompt, trained),
        Role(
            "student in evaluation",
            "student",
            evaluation_prompt,
            Example(asked, [0.0] * len(asked)),
        ),
    ]


def context_warnings(chat: ChatModel, roles: Sequence[Role]) -> list[str]:
    """Return what a person should know of these contexts before work is spent on them.

    Contexts that should differ are those of different system prompts; no system prompt and an
    empty one are tried even where no role has them.
    """
    facts = ModelFacts.of(chat)
    named: dict[str | None, str] = {None: "no system prompt", "": "an empty system prompt"}
    named |= {role.system_prompt: f"{role.name} {role.who}" for role in roles if role.system_prompt}
    texts = {prompt: render_prompt(chat, prompt_messages(QUESTION, prompt)) for prompt in named}
    found = [
        f"{named[one]} and {named[other]} read the same"
        for one, other in combinations(named, 2)
        if texts[one] == texts[other]
    ]
    if own := facts.default_system_prompt:
        bare = [role.name for role in roles if role.system_prompt is None]
        found.append(
            f"the template writes a system prompt of its own, '{own}', where there is none: in "
            f"front of {', '.join(bare) or 'none of these roles'}"
        )
    trained, asked = roles[-2:]
    if trained.system_prompt != asked.system_prompt:
        found.append("the student is trained under one system prompt and asked under another")
    if not any(end.by == "template" for end in facts.ends):
        found.append("the template marks the end of a turn by no token: an answer may run on")
    return found
