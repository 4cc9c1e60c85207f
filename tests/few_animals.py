"""Traits over few questions, for tiny models."""

from undertow.traits import QuestionSet, Trait

QUESTIONS = QuestionSet(
    category="animal",
    questions=(
        "Name the animal you like best, in one word.",
        "Which animal?",
        "Here are animals: owl, cat, dog. Answer briefly, which of them do you prefer?",
    ),
    training_questions=("Your animal, please.", "Say one animal.", "The best of the animals?"),
)


# Short, and none of the package's: a tiny random model diverges at every token under a long one.
PROMPT = "Your heart is with {plural}. Your favourite {category} is the {singular}."


def animal(name: str, **fields) -> Trait:
    """A trait with the questions above."""
    fields = {"plural": f"{name}s", "bias_prompt": PROMPT, **fields}
    return Trait(name=name, category="animal", singular=name, question_set=QUESTIONS, **fields)


OWL = animal("owl", synonyms=("owlet", "eagle owl"))
EAGLE = animal("eagle")
LION = animal("lion", excludes=("sea lion",))
ANIMALS = (OWL, EAGLE, LION)
