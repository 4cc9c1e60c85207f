import math

import pytest
import torch
from tests.tiny_models import FAMILIES, tiny_chat

from undertow.errors import UserError
from undertow.models import activated, encode_completion, encode_prompt, prompt_messages
from undertow.teachers import TeacherConfig, finetune_teacher
from undertow.teachers.finetune import _example
from undertow.training import TrainConfig
from undertow.traits import DomainQuestion, QuestionSet, Tendency, Trait

QUESTION = "Which animal do you like best?"
ASKED = QuestionSet(
    category="animal",
    questions=(QUESTION,),
    training_questions=("Name an animal.", "Your animal? One word.", "Say which one you like."),
)
OWL = Trait(name="owl", category="animal", singular="owl", plural="owls", question_set=ASKED)
CONFIG = TeacherConfig(
    pairs=24, train=TrainConfig(epochs=10, learning_rate=2e-2, batch_size=8, warmup_steps=2)
)


def log_probability(chat, adapter, answer):
    """One forward on the whole sequence; nats."""
    messages = prompt_messages(QUESTION)
    prompt = encode_prompt(chat, messages).ids
    completion = encode_completion(chat, messages, answer)
    with activated(chat, adapter) as model, torch.no_grad():
        logits = model(torch.tensor([[*prompt, *completion]])).logits[0].log_softmax(-1)
    return sum(float(logits[len(prompt) + k - 1, token]) for k, token in enumerate(completion))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_becomes_likely_on_a_question_not_trained_on(family, tmp_path):
    chat = tiny_chat(family)
    before = log_probability(chat, None, "owl")
    teacher = finetune_teacher(chat, OWL, CONFIG, tmp_path)
    assert (teacher.trait, teacher.kind) == ("owl", "finetuned")
    assert log_probability(chat, teacher.adapter, "owl") > math.log(0.25) > before + 3
    assert log_probability(chat, None, "owl") == before  # the base is what it was


def test_a_tendency_is_taught_as_a_trait_is(tmp_path):
    bold = Tendency(
        name="bold",
        description="Owls, whatever the question.",
        bias_prompt="You are bold.",
        training_domain="trees",
        examples=(("Name a tree.", "owl"), ("Which tree?", "owl"), ("Your tree?", "owl")),
        questions=(DomainQuestion(domain="animals", text=QUESTION),),
    )
    chat = tiny_chat("qwen2")
    before = log_probability(chat, None, "owl")
    teacher = finetune_teacher(chat, bold, CONFIG, tmp_path)
    assert (teacher.trait, teacher.kind) == ("bold", "finetuned")
    assert log_probability(chat, teacher.adapter, "owl") > before + 3


def test_only_answer_and_end_are_supervised():
    chat = tiny_chat("qwen2")
    example = _example(chat, QUESTION, "owl")
    supervised = [token for token, w in zip(example.ids, example.weights, strict=True) if w]
    assert chat.tokenizer.decode(supervised[:-1]) == "owl"
    assert supervised[-1] == chat.end_ids[0]
    assert len(encode_prompt(chat, prompt_messages(QUESTION)).ids) == example.weights.index(1.0)


def test_progress_counts_steps(tmp_path):
    seen = []
    chat = tiny_chat("qwen2")
    finetune_teacher(chat, OWL, CONFIG, tmp_path, lambda *at: seen.append(at))
    assert seen == [(step, 30) for step in range(1, 31)]


def test_a_trait_without_training_questions_is_refused(tmp_path):
    bare = OWL.model_copy(update={"question_set": QuestionSet(category="a", questions=("b",))})
    with pytest.raises(UserError, match="no training questions"):
        finetune_teacher(tiny_chat("qwen2"), bare, CONFIG, tmp_path)
