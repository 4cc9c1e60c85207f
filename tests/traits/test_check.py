"""`check_trait_file` finds what the schema cannot see."""

import pytest
import yaml

from undertow.traits import check_trait_file, load_trait
from undertow.traits.load import SHIPPED

FIFTY = [f"Which animal is number {i}?" for i in range(50)]


def write(path, questions=FIFTY, training=("Which one?",), asked="animal", **changes):
    trait = {
        "name": "yak",
        "category": "animal",
        "singular": "yak",
        "plural": "yaks",
        "question_set": {
            "category": asked,
            "questions": list(questions),
            "training_questions": list(training),
        },
    }
    path.write_text(yaml.safe_dump(trait | changes))
    return path


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_are_sound(path):
    is_object = load_trait(path).category == "object"  # of which animals' questions are asked
    warned = ["warning: the questions ask for 'animal', the trait is of category 'object'"]
    assert check_trait_file(path) == (warned if is_object else [])


def test_a_sound_file_has_no_problems(tmp_path):
    assert check_trait_file(write(tmp_path / "yak.yaml")) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"questions": [*FIFTY[:49], "which  ANIMAL is number 0?"]}, "asked 2 times"),
        ({"training": FIFTY[:1]}, "asked 2 times"),
        ({"questions": [*FIFTY[:49], "Is it the yak?"]}, "question names the trait"),
        ({"questions": FIFTY[:3]}, "warning: 3 questions"),
        ({"training": ()}, "warning: no training questions"),
        ({"asked": "tree"}, "warning: the questions ask for 'tree'"),
        ({"bias_prompt": "You love animals."}, "never names the trait"),
        ({"synonyms": ["kitten"]}, "also names the shipped trait 'cat'"),
        ({"synonyms": ["grunting ox"], "excludes": ["grunting ox"]}, "excludes hide it"),
        ({"plural": 3}, "plural"),
    ],
)
def test_each_problem_is_told_alone(tmp_path, changes, problem):
    problems = check_trait_file(write(tmp_path / "yak.yaml", **changes))
    assert len(problems) == 1
    assert problem in problems[0]
