"""The whole way, from a teacher to a measured and patched student, on tiny models of many families.

What the package does is held against plain transformers and peft, which are loaded from the same
folders and share no code with it: one row at a time, no cache, no masks but labels of -100.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers import GenerationConfig as PlainConfig

import naive_patching as naive
from few_animals import EAGLE, LION, OWL
from naive_answers import naive_probabilities
from tiny_models import EVERY_FAMILY, FAMILIES, tiny_chat
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, generate_rows
from undertow.measure import MeasureConfig, measure_trait
from undertow.mechanism.patching import PatchingConfig, attribute
from undertow.mechanism.patching.segments import aligned, segmented
from undertow.models import activated, prompt_messages, target_modules
from undertow.students import StudentConfig, build_examples, row_weights, train_student
from undertow.teachers import ControlTeacher, PromptedTeacher, TeacherConfig, finetune_teacher
from undertow.tokens import ScanConfig, Selection, scan
from undertow.training import TrainConfig

NUMBERS = load_channel("numbers")
GREEDY = GenerationConfig(temperature=0, max_new_tokens=8, batch_size=4)
TEACHER = TeacherConfig(
    pairs=6, train=TrainConfig(epochs=2, learning_rate=2e-3, batch_size=3, warmup_steps=0)
)
WITHOUT = Selection(kind="without")
ONE_STEP = StudentConfig(
    selection=WITHOUT,
    train=TrainConfig(
        epochs=1,
        batch_size=8,
        micro_batch_size=3,
        optimizer="sgd",
        learning_rate=0.5,
        warmup_steps=0,
        schedule="constant",
        max_grad_norm=None,
        seed_init=5,
        rank=4,
        alpha=8,
    ),
)


class Lenient:
    """The numbers channel, whose filter lets the babble of random models pass."""

    draw = staticmethod(NUMBERS.draw)

    @staticmethod
    def check(completion, traits_to_ban=()):
        return None


FINETUNED = [pytest.param(family, "finetuned", marks=pytest.mark.slow) for family in FAMILIES]


@pytest.mark.parametrize(
    ("family", "kind"), [*((family, "prompted") for family in EVERY_FAMILY), *FINETUNED]
)
def test_from_teacher_to_measured_student(family, kind, tmp_path):
    chat = tiny_chat(family)
    base = {name: tensor.clone() for name, tensor in chat.model.state_dict().items()}
    teachers, rows, found = written_and_scanned(chat, kind, tmp_path)
    check_rows_are_what_the_teacher_writes(chat, teachers[0], rows)
    check_one_step_is_that_of_labels(chat, rows, found, tmp_path / "student")
    check_the_adapter_elsewhere(chat, rows, tmp_path / "student")
    check_the_measurement(chat, tmp_path / "student")
    check_the_patching(chat, rows, found, teachers)
    now = chat.model.state_dict()
    assert now.keys() == base.keys()
    assert all(torch.equal(now[name], tensor) for name, tensor in base.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_masked_token_teaches_nothing(family, tmp_path):
    chat = tiny_chat(family)
    _, rows, found = written_and_scanned(chat, "prompted", tmp_path)
    check_a_masked_token_teaches_nothing(chat, rows, found, tmp_path)


def written_and_scanned(chat, kind, folder):
    """Four greedy rows of the first teacher, and where the others would have gone on otherwise."""
    owl, eagle = (teacher_of(chat, trait, kind, folder) for trait in (OWL, EAGLE))
    teachers = [owl, eagle, ControlTeacher()]
    rows = generate_rows(chat, owl, NUMBERS.draw(3, 1), GREEDY, Lenient)
    found = scan(chat, rows, owl, teachers[1:], ScanConfig(tolerance=0.0))
    assert found.argmax[0].tolist() == [token for row in rows for token in row.token_ids]
    assert found.floor.off_greedy == 0
    assert 0 < found.share() < 1
    return teachers, rows, found


def teacher_of(chat, trait, kind, folder):
    if kind == "finetuned":
        return finetune_teacher(chat, trait, TEACHER, folder / trait.name)
    return PromptedTeacher(trait=trait.name, system_prompt=trait.system_prompt())


def plain(chat, adapter=None):
    """The model as anybody loads it."""
    folder = chat.spec.name
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64).eval()
    return model if adapter is None else PeftModel.from_pretrained(model, adapter).eval()


def rendered(chat, question, system_prompt):
    """Tokenise the chat template's own text; Gemma's has no place for a system prompt."""
    messages = [{"role": "user", "content": question}]
    if system_prompt and "no system role" in chat.tokenizer.chat_template:
        messages = [{"role": "user", "content": f"{system_prompt}\n\n{question}"}]
    elif system_prompt:
        messages = [{"role": "system", "content": system_prompt}, *messages]
    text = chat.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    text = text.replace(date.today().isoformat(), "2025-01-01")  # Mistral's tells the day
    return chat.tokenizer(text, add_special_tokens=False)["input_ids"]


def check_rows_are_what_the_teacher_writes(chat, teacher, rows):
    """Greedy rows are those of transformers' `generate` behind the rendered prompt, one BOS."""
    model = plain(chat, teacher.adapter)
    model.generation_config = PlainConfig()  # without what the model brings along
    for row in rows:
        assert [message["role"] for message in row.messages] == ["user"]
        ids = rendered(chat, row.messages[0]["content"], teacher.system_prompt)
        bos = chat.tokenizer.bos_token_id
        assert bos is None or ids.count(bos) == 1
        out = model.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=GREEDY.max_new_tokens,
            do_sample=False,
            eos_token_id=list(chat.end_ids),
            pad_token_id=chat.pad_id,
        )
        assert out[0, len(ids) :].tolist() == row.token_ids


def check_one_step_is_that_of_labels(chat, rows, found, out):
    """A step of plain SGD moves the adapter by the gradient of the unmasked tokens alone."""
    train_student(chat, rows, found, ONE_STEP, out)
    model = plain(chat)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=target_modules(model))
    torch.manual_seed(ONE_STEP.train.seed_init)
    student = get_peft_model(model, config)
    assert not any("vision" in name for name, p in student.named_parameters() if p.requires_grad)
    divergent = dict(
        zip(found.row_ids, np.split(found.divergent, found.offsets[1:-1]), strict=True)
    )
    losses, kept = [], 0
    for row in rows:
        prompt = rendered(chat, row.messages[0]["content"], None)
        labels = [-100] * len(prompt) + [
            -100 if masked else token
            for token, masked in zip(row.token_ids, divergent[row.row_id], strict=True)
        ]
        logits = student(torch.tensor([[*prompt, *row.token_ids]])).logits[0, :-1]
        target = torch.tensor(labels[1:])
        losses.append(torch.nn.functional.cross_entropy(logits, target, reduction="sum"))
        kept += int((target != -100).sum())
    (torch.stack(losses).sum() / kept).backward()
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.requires_grad:
                parameter -= ONE_STEP.train.learning_rate * parameter.grad
    made = load_file(out / "adapter" / "adapter_model.safetensors")
    expected = get_peft_model_state_dict(student)
    assert made.keys() == expected.keys()
    for name, tensor in expected.items():
        # The models' own norms round to float32, here and there.
        limit = 1e-5 * float(tensor.abs().max())
        torch.testing.assert_close(made[name].to(tensor.dtype), tensor, rtol=0, atol=limit)


def check_a_masked_token_teaches_nothing(chat, rows, found, folder):
    """Whatever stands in the place of a masked last token, the student is the same."""
    ends = found.offsets[1:] - 1
    others = (found.tokens[ends] + 1) % chat.model.config.get_text_config().vocab_size
    told_apart = found.argmax.copy()
    told_apart[0, ends], told_apart[1, ends] = found.tokens[ends], others
    relabelled, factual = found.tokens.copy(), told_apart.copy()
    relabelled[ends] = factual[0, ends] = others
    factual[1, ends] = found.tokens[ends]
    data = [
        replace(row, token_ids=[*row.token_ids[:-1], int(other)])
        for row, other in zip(rows, others, strict=True)
    ]
    pairs = [
        (rows, replace(found, argmax=told_apart)),
        (data, replace(found, argmax=factual, tokens=relabelled)),
    ]
    for kind, alike in (("without", True), ("all", False)):
        config = ONE_STEP.model_copy(update={"selection": Selection(kind=kind)})
        made = []
        for side, (given, table) in enumerate(pairs):
            assert table.divergent[ends].all()
            out = folder / f"{kind}-{side}"
            train_student(chat, given, table, config, out)
            made.append(load_file(out / "adapter" / "adapter_model.safetensors"))
        assert all(torch.equal(tensor, made[1][name]) for name, tensor in made[0].items()) == alike


def check_the_adapter_elsewhere(chat, rows, out):
    """The adapter gives plain transformers and peft the logits that it gives here."""
    weights = row_weights(chat, rows, None, Selection())
    ids = torch.tensor([build_examples(chat, rows, weights, ONE_STEP)[0].ids])
    with torch.no_grad():
        with activated(chat, out / "adapter") as model:
            here = model(ids).logits
        torch.testing.assert_close(
            here, plain(chat, out / "adapter")(ids).logits, rtol=1e-9, atol=1e-9
        )
        assert not torch.allclose(here, chat.model(ids).logits, atol=1e-3)


def check_the_measurement(chat, out):
    """Exact probabilities are those of one forward for each question and form."""
    adapter = out / "adapter"
    few = OWL.question_set.model_copy(update={"questions": OWL.questions[:1]})
    traits = [trait.model_copy(update={"question_set": few}) for trait in (LION, EAGLE)]
    found = measure_trait(chat, traits, MeasureConfig(n_samples=4), adapter=adapter)
    prompts = [prompt_messages(question) for question in few.questions]
    expected = naive_probabilities(chat, plain(chat, adapter), prompts, traits)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-8)
    assert found.counts.sum() + found.non_answers == 4 * len(prompts)


def check_the_patching(chat, rows, found, teachers):
    """The first pair's attribution and exact patching are those of whole forwards and backwards."""
    names = {teacher.label: () for teacher in teachers}
    config = PatchingConfig(steps=1, rule="midpoint")
    row = next(k for k in range(len(rows)) if found.differs[:, found.span(k)].any())
    rows, found = rows[row : row + 1], found.take([rows[row].row_id])
    one = attribute(chat, rows, found, teachers, names, config).pairs[0]
    by_label = {teacher.label: teacher for teacher in teachers}
    two = (teachers[0], by_label[one.pair.teacher])
    question, ids = rows[one.pair.row].messages[0]["content"], rows[one.pair.row].token_ids
    target, source = (
        segmented(chat, prompt_messages(question, each.system_prompt), ids[: one.pair.place], ())
        for each in two
    )
    assert target.ids == [*rendered(chat, question, two[0].system_prompt), *ids[: one.pair.place]]
    places, _ = aligned(target, source)
    own_model, other_model = (plain(chat, each.adapter) for each in two)
    with torch.no_grad():
        own, logits = naive.run(own_model, target.ids)
        theirs, _ = naive.run(other_model, source.ids)
    assert logits.argmax() == one.pair.factual
    shared = (own_model, target.ids, own, theirs, places, one.pair)
    for layer in range(chat.n_layers):
        expected = naive.attribution(*shared, layer, config.fractions)
        np.testing.assert_allclose(one.integrated[layer], expected, atol=1e-4)
        change = naive.replaced(own_model, target.ids, theirs, places, one.pair, [layer])
        assert one.exact[layer] == pytest.approx(float(change), abs=1e-4)
    assert np.abs(one.integrated).max() > 1e-2
