"""The steering hook against edited layers, in everything that runs a model."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from naive_steering import META, edited, write_vectors
from naive_training import exact_norms
from tiny_models import FAMILIES, SLIDING_WINDOW, tiny_chat
from undertow.errors import UserError
from undertow.generate import GenerationConfig, Request, generate
from undertow.measure.exact import text_probabilities
from undertow.models import (
    activated,
    decoder_layers,
    encode_completion,
    encode_prompt,
    prompt_messages,
    selected_logits,
    target_modules,
)
from undertow.models.fused import FusedModel
from undertow.models.residual import on_residuals
from undertow.models.steering import Steering, SteeringVectors, steered

IDS = torch.tensor([[5, 17, 40, 9, 77, 120, 3, 8], [8, 8, 90, 14, 2, 61, 7, 33]])
CHANGES = [
    {"mode": "add", "strength": 0.7},
    {"mode": "add", "strength": -2.0, "layers": (1,), "at": "completion"},
    {"mode": "project-out"},
    {"mode": "project-out", "strength": 0.4, "layers": (2, 0)},
]
GREEDY = GenerationConfig(temperature=0.0, max_new_tokens=SLIDING_WINDOW + 6)
QUESTIONS = ["owl?", "Name the animal you like best, in one word."]


@pytest.fixture(params=CHANGES, ids=lambda change: "-".join(map(str, change.values())))
def change(request):
    return request.param


def steering_of(chat, folder, change):
    return Steering(vector=write_vectors(folder / "vector.safetensors", chat), **change)


def adapter_of(chat, folder):
    """Save a random adapter for the model, and leave the model as it was."""
    torch.manual_seed(7)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=target_modules(chat.model))
    wrapped = get_peft_model(tiny_chat("qwen2", chat.model.dtype).model, config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.3)
    wrapped.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_forward_is_that_of_edited_layers(family, change, tmp_path):
    chat = tiny_chat(family)
    steering = steering_of(chat, tmp_path, change)
    with torch.no_grad():
        plain = chat.model(IDS).logits
        with edited(chat.model, steering):
            expected = chat.model(IDS).logits
        with steered(chat.model, steering):
            found = chat.model(IDS).logits
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert not torch.allclose(found, plain, atol=1e-3)
        assert torch.equal(chat.model(IDS).logits, plain)


def test_a_direction_at_right_angles_to_everything_is_not_missed(tmp_path):
    """Projected out it changes nothing; turned a little towards what is there, it does."""
    chat = tiny_chat("llama")
    seen = []
    with torch.no_grad(), on_residuals(chat.model, lambda _, hidden: seen.append(hidden)):
        plain = chat.model(IDS).logits
    hidden = torch.stack([one.flatten(0, 1) for one in seen])  # [layer, position, d_model]
    absent = torch.linalg.svd(hidden).Vh[:, -1]
    assert hidden.shape[1] < hidden.shape[2]
    for share, changes in ((0.0, False), (0.2, True)):
        turned = absent + share * torch.nn.functional.normalize(hidden[:, 3], dim=1)
        path = tmp_path / f"{share}.safetensors"
        SteeringVectors({"header": turned[None]}, torch.tensor([1]), META).write(path)
        with torch.no_grad(), steered(chat.model, Steering(vector=str(path), mode="project-out")):
            found = chat.model(IDS).logits
        assert torch.allclose(found, plain, rtol=1e-9, atol=1e-9) is not changes


@pytest.mark.parametrize("family", FAMILIES)
def test_generation_with_a_cache_is_one_forward_per_token(family, change, tmp_path):
    chat = tiny_chat(family)
    steering = steering_of(chat, tmp_path, change)
    system = "You adore owls."
    requests = [Request(prompt_messages(text), row) for row, text in enumerate(QUESTIONS)]
    with steered(chat.model, steering):
        found = generate(chat, requests, GREEDY, system_prompt=system)
    for question, completion in zip(QUESTIONS, found, strict=True):
        ids = encode_prompt(chat, prompt_messages(question, system)).ids
        expected = []
        with edited(chat.model, steering), torch.no_grad():
            while len(expected) < GREEDY.max_new_tokens:
                logits = chat.model(torch.tensor([ids + expected])).logits[0, -1]
                expected.append(int(logits.argmax()))
                if expected[-1] in chat.end_ids:
                    break
        assert completion == expected
    assert found != generate(chat, requests, GREEDY, system_prompt=system)


def test_exact_probabilities(change, tmp_path):
    chat = tiny_chat("llama")
    steering = steering_of(chat, tmp_path, change)
    prompts = [prompt_messages(question) for question in QUESTIONS]
    with steered(chat.model, steering):
        found = text_probabilities(chat, prompts, ["owl", "cat"])
    for row, messages in enumerate(prompts):
        ids = encode_prompt(chat, messages).ids
        for column, text in enumerate(["owl", "cat"]):
            *answer, _ = encode_completion(chat, messages, text)
            with edited(chat.model, steering), torch.no_grad():
                logits = chat.model(torch.tensor([ids + answer])).logits[0, len(ids) - 1 :]
            chance = logits.softmax(-1)
            end = chance[-1, list(chat.end_ids)].sum()
            whole = chance[range(len(answer)), answer].prod() * end
            assert found[row, column] == pytest.approx(float(whole), rel=1e-8)


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_fused_layers_are_steered_like_the_others(family, change, tmp_path):
    chat = tiny_chat(family)
    exact_norms(chat.model)
    steering = steering_of(chat, tmp_path, change)
    rows, positions = torch.tensor([0, 0, 1]), torch.tensor([2, 7, 4])
    with torch.no_grad(), edited(chat.model, steering):
        expected = selected_logits(chat.model, IDS, None, rows, positions)
    with torch.no_grad(), steered(chat.model, steering):
        fused = FusedModel.of(chat.model)
        assert fused is not None
        found = fused.logits(IDS, torch.tensor([8, 8]), rows, positions)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        shared = fused.prefix(IDS[0, :3])
        behind = IDS[:1, 3:]
        place = torch.tensor([0])
        found = fused.logits(behind, torch.tensor([5]), place, torch.tensor([4]), shared)
        torch.testing.assert_close(found[0], expected[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("outside", [True, False])
def test_an_adapter_goes_with_it_merged_or_not_and_on_either_side(dtype, outside, tmp_path):
    chat = tiny_chat("qwen2", dtype)
    adapter = adapter_of(chat, tmp_path / "adapter")
    steering = steering_of(chat, tmp_path, {"strength": 0.7})
    with activated(chat, adapter) as model, edited(chat.model, steering), torch.no_grad():
        expected = model(IDS).logits
    with torch.no_grad():
        if outside:
            with steered(chat.model, steering), activated(chat, adapter) as model:
                found = model(IDS).logits
        else:
            with activated(chat, adapter) as model, steered(model, steering):
                found = model(IDS).logits
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype is torch.float64 else {"rtol": 0.05, "atol": 0.1}
    torch.testing.assert_close(found, expected, **close)


def test_two_act_one_after_the_other(tmp_path):
    """What is added last stays; what is projected out last is gone."""
    chat = tiny_chat("qwen2")
    vector = write_vectors(tmp_path / "v.safetensors", chat)
    add = Steering(vector=vector, strength=5.0)
    remove = Steering(vector=vector, mode="project-out")
    direction = SteeringVectors.read(vector).mean("header")[-1]
    seen = []
    with torch.no_grad():
        for outer, inner in ((add, remove), (remove, add)):
            with steered(chat.model, outer), steered(chat.model, inner):
                handle = decoder_layers(chat.model)[-1].register_forward_hook(
                    lambda _, __, output: seen.append(output @ direction)
                )
                chat.model(IDS)
                handle.remove()
    assert seen[0].abs().max() < 1e-9
    torch.testing.assert_close(
        seen[1], torch.full_like(seen[1], 5.0 * float(direction @ direction))
    )


def test_layers_that_return_tuples(tmp_path):
    chat = tiny_chat("qwen2")
    steering = steering_of(chat, tmp_path, {"layers": (1,)})
    with torch.no_grad(), edited(chat.model, steering):
        expected = chat.model(IDS).logits
    layers = decoder_layers(chat.model)
    for number, layer in enumerate(layers):

        def wrapped(hidden, *rest, forward=layer.forward, number=number, **options):
            first = hidden[0] if isinstance(hidden, tuple) else hidden
            output = forward(first, *rest, **options)
            return output if number + 1 == len(layers) else (output, "attention weights")

        layer.forward = wrapped
    with torch.no_grad(), steered(chat.model, steering):
        torch.testing.assert_close(chat.model(IDS).logits, expected, rtol=1e-9, atol=1e-9)


def test_half_precision_is_rounded_once(tmp_path):
    chat = tiny_chat("qwen2", torch.bfloat16)
    vector = write_vectors(tmp_path / "v.safetensors", chat)
    unit = torch.nn.functional.normalize(SteeringVectors.read(vector).mean("header"), dim=1)[1]
    seen = []
    look = lambda _, __, output: seen.append(output.double())  # noqa: E731
    layer = decoder_layers(chat.model)[1]
    steering = Steering(vector=vector, mode="project-out", layers=(1,))
    before = layer.register_forward_hook(look)
    with torch.no_grad(), steered(chat.model, steering):
        after = layer.register_forward_hook(look)
        chat.model(IDS)
    before.remove(), after.remove()
    expected = seen[0] - (seen[0] @ unit).unsqueeze(-1) * unit
    torch.testing.assert_close(seen[1], expected, rtol=2**-8, atol=1e-5)


def test_none_does_nothing_and_hooks_go_after_an_error(tmp_path):
    chat = tiny_chat("qwen2")
    steering = steering_of(chat, tmp_path, {})
    with torch.no_grad():
        plain = chat.model(IDS).logits
        with steered(chat.model, None):
            assert torch.equal(chat.model(IDS).logits, plain)
        with pytest.raises(ZeroDivisionError), steered(chat.model, steering):
            raise ZeroDivisionError
        assert torch.equal(chat.model(IDS).logits, plain)


def test_vectors_come_back_as_they_were(tmp_path):
    chat = tiny_chat("qwen2")
    found = SteeringVectors.read(write_vectors(tmp_path / "v.safetensors", chat))
    assert found.meta == META
    assert found.n_layers == 3
    blocks = found.blocks["header"].double()
    by_hand = (3 * blocks[0] + blocks[1]) / 4
    torch.testing.assert_close(found.mean("header"), by_hand)
    assert found.norms("header") == pytest.approx(by_hand.norm(dim=1).tolist())


def test_bad_vectors_and_layers_are_told(tmp_path):
    chat = tiny_chat("qwen2")
    vector = write_vectors(tmp_path / "v.safetensors", chat)
    missing = Steering(vector=str(tmp_path / "none.safetensors"))
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    other = Steering(vector=str(tmp_path / "other.safetensors"))
    (tmp_path / "text.safetensors").write_text("no tensors at all")
    text = Steering(vector=str(tmp_path / "text.safetensors"))
    for steering in (missing, other, text):
        with pytest.raises(UserError, match="no steering vector"), steered(chat.model, steering):
            pass
    far = Steering(vector=vector, layers=(0, 3))
    with pytest.raises(UserError, match="no layer 3"), steered(chat.model, far):
        pass
    lab = {"header": torch.zeros(1, 3, 8)}
    SteeringVectors(lab, torch.tensor([1]), META).write(tmp_path / "narrow.safetensors")
    narrow = Steering(vector=str(tmp_path / "narrow.safetensors"))
    with pytest.raises(UserError, match="width"), steered(chat.model, narrow):
        pass
    absent = Steering(vector=narrow.vector, at="completion")
    with pytest.raises(UserError, match="not taken at the completion"), steered(chat.model, absent):
        pass
