"""System prompts that a study compares are seen as they are rendered, and must differ."""

import pytest

from tiny_models import tiny_chat
from tiny_study import TINY
from undertow.errors import UserError
from undertow.studies.contexts import rendered_contexts


def under(student=None, asked=None):
    return TINY.changed(
        {"student": {"system_prompt": student}, "measure": {"system_prompt": asked}}
    )


def test_one_context_is_nothing_to_compare():
    assert rendered_contexts(tiny_chat("qwen2"), [under(), under()]) == {}


def test_every_system_prompt_is_rendered_once():
    found = rendered_contexts(
        tiny_chat("qwen2"), [under(), under("be brief"), under(None, "be brief")]
    )
    assert list(found) == ["none", "'be brief'"]
    assert "be brief" in found["'be brief'"]
    assert "be brief" not in found["none"]


def test_a_template_that_hides_the_difference_is_told():
    """A template without a system role folds the text into the question; an empty one is lost."""
    with pytest.raises(UserError, match="render alike: none and ''") as caught:
        rendered_contexts(tiny_chat("gemma3"), [under(), under("")])
    assert "chat template" in caught.value.where
