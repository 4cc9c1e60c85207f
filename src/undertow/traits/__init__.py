"""Traits: what is hidden, how it is asked for, and how an answer is scored."""

from undertow.traits.check import check_trait_file
from undertow.traits.load import load_trait, shipped_traits
from undertow.traits.questions import QuestionSet
from undertow.traits.scoring import names_trait, score_answer
from undertow.traits.trait import PluralStyle, Trait

__all__ = [
    "PluralStyle",
    "QuestionSet",
    "Trait",
    "check_trait_file",
    "load_trait",
    "names_trait",
    "score_answer",
    "shipped_traits",
]
