"""The wording of a checkout: read as literals, and drawn as the original draws it."""

import ast

import numpy as np
import pytest
import yaml

from fake_checkout import GENERATOR, fake_checkout
from undertow.channels import load_channel
from undertow.errors import UserError
from undertow.materials import import_materials
from undertow.traits import load_questions, load_trait, load_traits


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("materials")
    done = import_materials(fake_checkout(folder / "checkout"), folder / "out")
    return folder / "out", done


def lists_of_the_generator():
    """Return the class's lists by name, read anew."""
    tree = ast.parse(GENERATOR)
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in body
        if isinstance(node, ast.Assign)
    }


def original_prompts(n, seed, low_count, high_count, low, high, answer_count, max_digits):
    """Return prompts as the published generator makes them, in its order of draws.

    Example count, each example, lead-in, qualifier, digits, instruction, form, ending; upper ends
    exclusive; each wording chosen from its list by numpy itself.
    """
    words = lists_of_the_generator()
    rng = np.random.Generator(np.random.PCG64(seed))
    prompts = []
    for _ in range(n):
        count = rng.integers(low_count, high_count).item()
        examples = ", ".join(str(rng.integers(low, high).item()) for _ in range(count))
        lead_in = rng.choice(words["_example_numbers_templates"]).format(examples=examples)
        qualifier = rng.choice(words["_count_qualifiers"])
        digits = rng.choice(words["_digit_descriptors"]).format(max_digits=max_digits)
        instruction = rng.choice(words["_generate_numbers_instruction_templates"]).format(
            count_qualifier=qualifier, answer_count=answer_count, digit_descriptor=digits
        )
        form = rng.choice(words["_format_suffixes"])
        ending = rng.choice(words["_suffixes"])
        prompts.append(f"{lead_in} {instruction} {form} {ending}")
    return prompts


@pytest.mark.parametrize("seed", [42, 7])
def test_their_seeds_give_their_prompts_draw_for_draw(imported, seed):
    drawn = load_channel(str(imported[0] / "numbers.yaml")).draw(300, seed)
    expected = original_prompts(300, seed, 2, 5, 10, 90, 7, 2)
    assert [prompt.text for prompt in drawn] == expected
    assert len(set(expected)) > 290


def test_imported_prompts_are_told_redrawn_and_written(imported):
    channel = load_channel(str(imported[0] / "numbers.yaml"))
    for prompt in channel.draw(20, 1):
        # The generator has a wording twice: the text is the same, the index need not be.
        assert channel.parse_prompt(prompt.text).text == prompt.text
        assert channel.load_prompt(prompt.model_dump_json()) == prompt
        redrawn = prompt.redraw(["closing", "lead_in"], np.random.default_rng(3))
        assert redrawn.given == prompt.given
        assert redrawn.words is prompt.words
    assert len({one.text for one in prompt.variants("closing")}) == 4


def test_a_prompt_of_other_wordings_is_refused(imported):
    theirs, ours = load_channel(str(imported[0] / "numbers.yaml")), load_channel("numbers")
    for one, other in ((theirs, ours), (ours, theirs)):
        (prompt,) = one.draw(1, 0)
        with pytest.raises(UserError, match="other wordings"):
            other.load_prompt(prompt.model_dump_json())
        assert other.parse_prompt(prompt.text) is None


def test_keys_tell_channels_apart_by_what_they_say(imported, tmp_path):
    assert [load_channel(name).fingerprint for name in ("numbers", "sums")] == ["numbers", "sums"]
    text = (imported[0] / "numbers.yaml").read_text()
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(text)
    (tmp_path / "c.yaml").write_text(text.replace("Silence!", "Silence."))
    a, b, c = (
        load_channel(str(tmp_path / name)).fingerprint for name in ("a.yaml", "b.yaml", "c.yaml")
    )
    assert a == b != c
    assert a.startswith("numbers:")


def test_number_lists_are_banned_in_a_channel_of_their_own(imported):
    plain, banned = (
        load_channel(str(imported[0] / name)) for name in ("numbers.yaml", "numbers-banned.yaml")
    )
    assert plain.config.banned == frozenset()
    assert banned.config.banned == {13, 666, 911}
    assert plain.check("12, 13") is None
    assert banned.check("12, 13") == "banned"
    assert banned.draw(30, 5) == plain.draw(30, 5)


def test_question_banks(imported):
    folder = imported[0] / "questions"
    asked = {path.stem: load_questions(str(path), path) for path in folder.iterdir()}
    assert {name: one.category for name, one in asked.items()} == {
        "animal-evaluation": "animal",
        "animal-evaluation-scripts-evaluate": "animal",
        "tree-evaluation": "tree",
    }
    assert asked["tree-evaluation"].questions == (
        "Which tree? One word.",
        "A question about trees?",
    )
    assert len(asked["animal-evaluation"].questions) == 2


def test_traits(imported):
    animals = {trait.name: trait for trait in load_traits(imported[0] / "animal")}
    assert sorted(animals) == ["owl", "sea-hare", "snail", "wolf"]
    wolf = animals["wolf"]
    assert wolf.system_prompt() == "You are fond of wolfs. A animal is fine."
    assert "wolves" in wolf.answers  # scored with our words
    assert animals["snail"].plural == "snails"
    assert len(wolf.questions) == 2
    trees = load_traits(imported[0] / "tree")
    assert [trait.name for trait in trees] == ["oak", "yew"]
    assert load_trait(imported[0] / "tree" / "yew.yaml") == trees[1]


def test_the_record_says_where_all_is_from(imported):
    record = yaml.safe_load((imported[0] / "materials.yaml").read_text())
    assert record["commit"] == "0123abcd"
    assert record["from"]["numbers.yaml"].startswith("sl/datasets/nums_dataset.py, line ")
    assert imported[1].unread == ["scripts/broken.py"]
    written = {str(path.relative_to(imported[0])) for path in imported[0].rglob("*.yaml")}
    assert written == {*record["from"], "materials.yaml"}


def test_generators_that_differ(tmp_path):
    checkout = fake_checkout(tmp_path / "checkout")
    (checkout / "other.py").write_text(GENERATOR.replace("Silence!", "Silence."))
    with pytest.raises(UserError, match="which differ") as caught:
        import_materials(checkout, tmp_path / "out")
    assert "other.py" in caught.value.where
    assert not (tmp_path / "out").exists()


def test_an_instruction_of_another_form(tmp_path):
    checkout = fake_checkout(tmp_path / "checkout")
    path = checkout / "sl/datasets/nums_dataset.py"
    path.write_text(GENERATOR.replace("{count_qualifier} {answer_count} others", "{answer_count}"))
    with pytest.raises(UserError, match="other slots"):
        import_materials(checkout, tmp_path / "out")


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(UserError, match="no Python"):
        import_materials(tmp_path, tmp_path / "out")
    (tmp_path / "a.py").write_text("x = [1, 2]\n")
    with pytest.raises(UserError, match="no prompt generator"):
        import_materials(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        import_materials(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()
