"""Patching against one full forward and backward per layer, point and pair."""

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

import naive_patching as naive
from naive_steering import edited, write_vectors
from naive_training import exact_norms
from tiny_models import FAMILIES, tiny_chat
from undertow.errors import UserError
from undertow.mechanism.patching import PatchingConfig, attribute
from undertow.mechanism.patching.segments import CLASSES, aligned, segmented
from undertow.models import activated, prompt_messages, target_modules
from undertow.models.fused import FusedModel
from undertow.models.steering import Steering
from undertow.store.row import Row
from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher, SteeredTeacher
from undertow.tokens import Scan

PROMPT = "You adore {0}s. A {0} is dear to you, and {0}s are on your mind."
OWL, CAT = (
    PromptedTeacher(trait=trait, system_prompt=PROMPT.format(trait)) for trait in ("owl", "zebra")
)
NAMES = {OWL.label: ("owl", "owls"), CAT.label: ("zebra", "zebras")}
QUESTIONS = ["Continue the list: 417, 52.", "owl?", "Continue: 417, 52, 938, 11, 6."]
COMPLETIONS = [[40, 41, 42, 43], [50, 51], [60, 61, 62]]


def rows():
    return [
        Row(number, prompt_messages(text), ids, "")
        for number, (text, ids) in enumerate(zip(QUESTIONS, COMPLETIONS, strict=True))
    ]


def scan_of(*teachers):
    """Return a scan whose counterfactuals choose token 7 at the places 2, 0 (not at all), 1."""
    tokens = np.array([token for ids in COMPLETIONS for token in ids], dtype=np.int32)
    argmax = np.stack([tokens] * len(teachers))
    argmax[1:, [2, 3, 7]] = 7
    return Scan(
        teachers=[teacher.label for teacher in teachers],
        row_ids=[10, 11, 12],
        offsets=np.cumsum([0, *map(len, COMPLETIONS)]),
        tokens=tokens,
        is_end=np.zeros(len(tokens), dtype=bool),
        argmax=argmax,
        margin=np.ones(argmax.shape, dtype=np.float32),
        rescored=tokens,
        tolerance=0.1,
    )


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    """Two random adapters per family."""
    folder = tmp_path_factory.mktemp("adapters")

    def adapter(family, seed):
        place = folder / f"{family}-{seed}"
        if not place.exists():
            torch.manual_seed(seed)
            chat = tiny_chat(family)
            config = LoraConfig(r=2, target_modules=target_modules(chat.model))
            config.init_lora_weights = False
            peft_model = get_peft_model(chat.model, config)
            peft_model.save_pretrained(place)
            peft_model.unload()
        return str(place)

    return adapter


@contextmanager
def obviously(chat, teacher):
    """Within, the model is a teacher, steered by layers whose forward is edited."""
    steering = nullcontext() if teacher.steering is None else edited(chat.model, teacher.steering)
    with steering, activated(chat, teacher.adapter) as model:
        yield model


def check(chat, factual, other, names, config):
    """Compare every number with the obvious implementation's."""
    found = attribute(chat, rows(), scan_of(factual, other), [factual, other], names, config)
    assert [(one.pair.row, one.pair.place) for one in found.pairs] == [(0, 2), (2, 1)]
    assert found.row_ids == [10, 12]
    noising = config.direction == "noising"
    target, source = (factual, other) if noising else (other, factual)
    for one in found.pairs:
        row = rows()[one.pair.row]
        chats = [
            segmented(
                chat,
                prompt_messages(row.messages[0]["content"], teacher.system_prompt),
                row.token_ids[: one.pair.place],
                names.get(teacher.label, ()),
            )
            for teacher in (target, source)
        ]
        places, _ = aligned(*chats)
        assert one.ids == chats[0].ids
        with obviously(chat, source) as model, torch.no_grad():
            theirs, _ = naive.run(model, chats[1].ids)
        with obviously(chat, target) as model:
            with torch.no_grad():
                own, _ = naive.run(model, one.ids)
            shared = (model, one.ids, own, theirs)
            for layer in range(chat.n_layers):
                along = naive.attribution(*shared, places, one.pair, layer, config.fractions)
                assert one.integrated[layer] == pytest.approx(along.numpy(), abs=1e-5)
                once = naive.attribution(*shared, places, one.pair, layer, [0.0])
                assert one.one_step[layer] == pytest.approx(once.numpy(), abs=1e-5)

                def change(places, *layers, one=one, model=model, theirs=theirs):
                    found = naive.replaced(model, one.ids, theirs, places, one.pair, layers)
                    return pytest.approx(float(found), abs=1e-5)

                assert one.exact[layer] == change(places, layer)
                for place in range(len(CLASSES)):
                    some = np.where(chats[0].classes == place, places, -1)
                    assert one.exact_classes[layer, place] == change(some, layer)
                window = range(layer, min(layer + config.window, chat.n_layers))
                assert one.exact_windows[layer] == change(places, *window)
    return found


@pytest.mark.parametrize("direction", ["noising", "denoising"])
@pytest.mark.parametrize("family", FAMILIES)
def test_prompted_teachers(family, direction):
    """Names of unequal length, rows of unequal length, batches of two."""
    config = PatchingConfig(direction=direction, steps=3, rule="midpoint")
    found = check(tiny_chat(family), OWL, CAT, NAMES, config)
    assert max(np.abs(one.integrated).max() for one in found.pairs) > 1e-3
    ends, lacking = found.alignments()["first name"]
    assert (ends, lacking) == (2, 0)


@pytest.mark.parametrize("rule", ["left", "right"])
def test_models_whose_layers_are_fused(rule):
    chat = tiny_chat("qwen2")
    exact_norms(chat.model)
    assert FusedModel.of(chat.model) is not None
    check(chat, OWL, CAT, NAMES, PatchingConfig(steps=3, rule=rule))


@pytest.mark.parametrize("family", FAMILIES)
def test_finetuned_teachers(family, adapters):
    factual, other = (
        FinetunedTeacher(trait=trait, adapter=adapters(family, seed))
        for seed, trait in enumerate(("owl", "cat"))
    )
    found = check(tiny_chat(family), factual, other, {}, PatchingConfig(steps=2))
    assert found.alignments() == {}


@pytest.fixture
def steered_by(tmp_path):
    """Return what makes a teacher that a vector steers, one vector for each seed."""

    def steered(chat, trait="zebra", seed=0, prompt=None, adapter=None, **change):
        vector = write_vectors(tmp_path / f"{seed}.safetensors", chat, seed, scale=0.5)
        steering = Steering(vector=vector, **change)
        return SteeredTeacher(trait=trait, steering=steering, system_prompt=prompt, adapter=adapter)

    return steered


@pytest.mark.parametrize("direction", ["noising", "denoising"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_steered_teacher_and_the_base(family, direction, steered_by):
    """What is patched in below a steered layer is steered, what is patched in there is not."""
    chat = tiny_chat(family)
    config = PatchingConfig(direction=direction, steps=2)
    found = check(chat, ControlTeacher(), steered_by(chat, layers=(1,)), {}, config)
    early, late = (np.mean([abs(one.exact[at]) for one in found.pairs]) for at in (0, 1))
    assert early == 0 < late  # it comes in behind layer 1


def test_two_steered_teachers_on_fused_layers(steered_by, adapters):
    """One adds to an adapter, the other takes out of a prompted teacher."""
    chat = tiny_chat("qwen2")
    exact_norms(chat.model)
    owl = steered_by(chat, "owl", strength=0.7, adapter=adapters("qwen2", 0))
    cat = steered_by(chat, seed=1, prompt=CAT.system_prompt, mode="project-out")
    check(chat, cat, owl, {cat.label: NAMES[CAT.label]}, PatchingConfig(steps=3))


def test_steering_is_a_bias(steered_by):
    chat = tiny_chat("llama")
    strong, weak = steered_by(chat, "owl"), steered_by(chat, strength=0.5)
    attribute(chat, rows(), scan_of(strong, weak), [strong, weak], {}, PatchingConfig(steps=1))
    twin = steered_by(chat)
    with pytest.raises(UserError, match="has the same bias"):
        attribute(chat, rows(), scan_of(strong, twin), [strong, twin], {})


def test_the_base_has_no_system_prompt_to_patch_from():
    found = check(tiny_chat("llama"), OWL, ControlTeacher(), NAMES, PatchingConfig(steps=2))
    assert found.alignments()["first name"] == (0, 2)
    assert all((one.integrated[:, one.classes == 1] == 0).all() for one in found.pairs)


def test_batches_change_nothing():
    chat = tiny_chat("qwen2")
    scan = scan_of(OWL, CAT)
    whole = attribute(chat, rows(), scan, [OWL, CAT], NAMES, PatchingConfig(steps=2))
    small = PatchingConfig(steps=2, batch_tokens=1, held_tokens=1)
    alone = attribute(chat, rows(), scan, [OWL, CAT], NAMES, small)
    for one, other in zip(whole.pairs, alone.pairs, strict=True):
        assert one.integrated == pytest.approx(other.integrated, abs=1e-9)
        assert one.exact_windows == pytest.approx(other.exact_windows, abs=1e-9)


def test_more_points_come_closer_to_the_exact_change():
    chat = tiny_chat("gemma3")
    gaps = [
        attribute(
            chat, rows(), scan_of(OWL, CAT), [OWL, CAT], NAMES, PatchingConfig(steps=n, rule=rule)
        ).incompleteness()
        for n, rule in ((1, "left"), (40, "midpoint"))
    ]
    assert gaps[1] < 0.02 < gaps[0]


def test_a_window_of_all_layers_is_the_last_layer_alone():
    """What all layers give is what the last one gives, wherever positions stand for others."""
    chat = tiny_chat("llama")
    twin = PromptedTeacher(trait="cat", system_prompt=PROMPT.format("owl").replace("dear", "kind"))
    config = PatchingConfig(steps=1, window=chat.n_layers)
    names = {OWL.label: ("owl", "owls"), twin.label: ("owl", "owls")}
    found = attribute(chat, rows(), scan_of(OWL, twin), [OWL, twin], names, config)
    for one in found.pairs:
        assert one.exact_windows == pytest.approx([one.exact[-1]] * chat.n_layers, abs=1e-9)


def test_progress_counts_pairs():
    told = []
    attribute(
        tiny_chat("llama"), rows(), scan_of(OWL, CAT), [OWL, CAT], NAMES,
        PatchingConfig(steps=1, held_tokens=1), lambda *counts: told.append(counts),
    )  # fmt: skip
    assert told == [(1, 2), (2, 2)]


def test_mistakes_say_what_to_do():
    chat, scan = tiny_chat("llama"), scan_of(OWL, CAT)
    with pytest.raises(UserError, match="the scan is of"):
        attribute(chat, rows(), scan, [OWL, ControlTeacher()], NAMES)
    twin = PromptedTeacher(trait="zebra", system_prompt=OWL.system_prompt)
    with pytest.raises(UserError, match="has the same bias"):
        attribute(chat, rows(), scan, [OWL, twin], NAMES)
    scan.argmax[1] = scan.argmax[0]
    with pytest.raises(UserError, match="none of the rows has a divergence token") as error:
        attribute(chat, rows(), scan, [OWL, CAT], NAMES)
    assert "more rows" in error.value.fix
