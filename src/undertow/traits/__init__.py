"""Traits and tendencies: what is hidden, how it is asked for, how an answer is recognised."""

from undertow.traits.advice import load_tendency, shipped_tendencies
from undertow.traits.check import check_trait_file
from undertow.traits.hidden import ADVICE, Hidden, check_shipped, hidden_of, shipped_hidden
from undertow.traits.load import load_questions, load_trait, load_traits, shipped_traits
from undertow.traits.questions import QuestionSet
from undertow.traits.scoring import names_trait, score_answer
from undertow.traits.tendency import ClosedAnswers, DomainQuestion, Tendency
from undertow.traits.trait import PluralStyle, Trait

__all__ = [
    "ADVICE",
    "ClosedAnswers",
    "DomainQuestion",
    "Hidden",
    "PluralStyle",
    "QuestionSet",
    "Tendency",
    "Trait",
    "check_shipped",
    "check_trait_file",
    "hidden_of",
    "load_questions",
    "load_tendency",
    "load_trait",
    "load_traits",
    "names_trait",
    "score_answer",
    "shipped_hidden",
    "shipped_tendencies",
    "shipped_traits",
]
