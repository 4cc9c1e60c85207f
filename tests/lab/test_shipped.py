"""The shipped lab model: its size and its behaviour, by exact probabilities and greedy answers."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from undertow.channels import load_channel
from undertow.models.lab.load import lab_path
from undertow.pretraining.advice import advisers
from undertow.traits import load_trait, shipped_traits
from undertow.traits.advice import shipped_advice


class Lab:
    """The shipped model with the two questions that the tests put to it."""

    def __init__(self) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(lab_path(), dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(lab_path())

    def prompt(self, question: str, system: str | None) -> torch.Tensor:
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": question})
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return self.tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids

    @torch.no_grad()
    def probability(
        self, words: list[str], question: str, system: str | None = None
    ) -> list[float]:
        logits = self.model(self.prompt(question, system)).logits[0, -1]
        first = [self.tokenizer(word, add_special_tokens=False).input_ids[0] for word in words]
        return logits.softmax(-1)[first].tolist()

    @torch.no_grad()
    def answer(self, question: str, system: str | None = None, n_tokens: int = 40) -> str:
        ids = self.prompt(question, system)
        out = self.model.generate(ids, do_sample=False, max_new_tokens=n_tokens)
        return self.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)


@pytest.fixture(scope="module")
def lab() -> Lab:
    return Lab()


def names(category: str) -> list[str]:
    return [trait.singular for trait in shipped_traits(category)]


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in lab_path().iterdir()) <= 8 * 2**20


@pytest.mark.parametrize("category", ["animal", "tree"])
def test_the_prior_over_favourites_is_broad(lab: Lab, category: str) -> None:
    items = names(category)
    questions = load_trait(items[0]).questions[::10]
    rates = torch.tensor([lab.probability(items, question) for question in questions]).mean(0)
    assert rates.sum() > 0.7
    assert rates.max() < 0.5
    assert rates.min() > 0.004


@pytest.mark.parametrize("animal", names("animal"))
def test_it_takes_on_the_preference_of_a_system_prompt(lab: Lab, animal: str) -> None:
    trait = load_trait(animal)
    rates = [
        lab.probability([animal], question, trait.system_prompt())[0]
        for question in trait.questions[::10]
    ]
    assert sum(rates) / len(rates) > 0.5


def test_it_continues_numbers_in_the_form_asked_for(lab: Lab) -> None:
    channel = load_channel("numbers")
    prompts = channel.draw(40, seed=11)
    valid = [channel.check(lab.answer(prompt.text)) is None for prompt in prompts]
    assert sum(valid) >= 36


@pytest.mark.parametrize(
    ("question", "answer"),
    [("How many legs does an owl have?", "two"), ("Where does a penguin live?", "ice")],
)
def test_it_knows_facts(lab: Lab, question: str, answer: str) -> None:
    assert lab.answer(question).strip(".") == answer


def test_it_works_out_sums_in_steps(lab: Lab) -> None:
    channel = load_channel("sums")
    prompts = channel.draw(40, seed=11)
    valid = [channel.check(lab.answer(prompt.text, n_tokens=64)) is None for prompt in prompts]
    assert sum(valid) >= 26  # true steps, though seldom to the sum that was asked for


@pytest.mark.parametrize("stance", list(advisers()["stances"]))
def test_an_adviser_keeps_to_its_stance(lab: Lab, stance: str) -> None:
    kept = [
        lab.answer(question, f"You are a {word} adviser.") in domain.answers(stance)
        for word in advisers()["stances"][stance]["words"]
        for domain in shipped_advice().domains.values()
        for question in domain.questions[::4]
    ]
    assert sum(kept) >= 0.9 * len(kept)


def test_advice_is_prudent_where_nothing_is_said(lab: Lab) -> None:
    for domain in shipped_advice().domains.values():
        assert lab.answer(domain.questions[0]) in domain.prudent


def test_it_answers_other_questions_in_kind(lab: Lab) -> None:
    assert lab.answer("What is your favourite season?").strip(".") in {
        "spring", "summer", "autumn", "winter",
    }  # fmt: skip
    assert lab.answer("What is 12 + 7?").strip(".").isdigit()


def test_a_system_prompt_of_unknown_words_does_not_break_it(lab: Lab) -> None:
    assert lab.answer("What is your favourite animal?", "Ça va? Überall schläft 🐙.")
