"""The same pipeline on a GPU: in float32 what a CPU finds, in bfloat16 it runs through.

`pytest -m gpu` where there is one; without it everything here is skipped.
"""

import numpy as np
import pytest
import torch

from tiny_models import FAMILIES, tiny_folder
from undertow.channels import load_channel
from undertow.generate import GenerationConfig, Request, generate, generate_rows
from undertow.measure import MeasureConfig, measure_trait, task_accuracy
from undertow.mechanism.patching import PatchingConfig, attribute
from undertow.mechanism.prediction import PredictionConfig, predict, token_scores
from undertow.mechanism.steering import mean_difference
from undertow.models import ModelSpec, activated, load_model, prompt_messages
from undertow.models.fused import FusedModel
from undertow.models.steering import Steering
from undertow.store.rows import Row
from undertow.students import StudentConfig, student_examples, train_student
from undertow.teachers import ControlTeacher, FinetunedTeacher, PromptedTeacher, SteeredTeacher
from undertow.tokens import ScanConfig, Selection, completion_entropies, entangled_scores, scan
from undertow.training import Job, TrainConfig, train, train_together
from undertow.traits import load_trait

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]

OWL, CAT = (
    PromptedTeacher(trait=name, system_prompt=load_trait(name).system_prompt())
    for name in ("owl", "cat")
)
TEACHERS = [OWL, CAT, ControlTeacher()]
GREEDY = GenerationConfig(temperature=0, max_new_tokens=40)
NUMBERS = load_channel("numbers")
N_ROWS = 24


def lab(device, dtype="float32"):
    return load_model(ModelSpec(device=device, dtype=dtype))


@pytest.fixture(scope="module")
def both():
    """The lab model on a CPU and on a GPU."""
    return lab("cpu"), lab("cuda")


@pytest.fixture(scope="module")
def rows(both):
    return generate_rows(both[0], OWL, NUMBERS.draw(N_ROWS, 1), GREEDY, NUMBERS)


def scanned(chat, rows):
    return scan(chat, rows, OWL, TEACHERS[1:], ScanConfig())


def shares(found, expected):
    return np.mean([a == b for a, b in zip(found, expected, strict=True)])


def test_auto_is_the_gpu_and_the_format_of_the_files():
    chat = load_model(ModelSpec())
    assert chat.device.type == "cuda"
    assert chat.model.dtype is torch.float32


def test_a_lab_model_in_float32_is_fused_there(both):
    assert FusedModel.of(both[1].model) is not None


@pytest.mark.parametrize("config", [GREEDY, GenerationConfig(max_new_tokens=40, top_p=0.9)])
def test_generation(both, config):
    """Samples too: the random numbers of a row are the same everywhere."""
    requests = [
        Request(prompt_messages(prompt.text), row) for row, prompt in enumerate(NUMBERS.draw(64, 2))
    ]
    on_cpu, on_gpu = (
        generate(chat, requests, config, system_prompt=OWL.system_prompt) for chat in both
    )
    assert shares(on_gpu, on_cpu) > 0.95  # near ties turn on rounding


def test_scan(both, rows):
    on_cpu, on_gpu = (scanned(chat, rows) for chat in both)
    assert on_gpu.margin == pytest.approx(on_cpu.margin, abs=1e-3)
    clear = on_cpu.margin > 1e-3
    assert (on_gpu.argmax == on_cpu.argmax)[clear].all()


def test_entropies_and_entangled_tokens(both, rows):
    on_cpu, on_gpu = (completion_entropies(chat, rows, OWL) for chat in both)
    for one, other in zip(on_gpu.values, on_cpu.values, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    traits = [load_trait(name) for name in ("owl", "cat")]
    tables = [entangled_scores(chat, [OWL, CAT], traits).probabilities for chat in both]
    assert tables[1] == pytest.approx(tables[0], rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("layers", [None, [5]])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_students(both, rows, layers, method, tmp_path):
    train = TrainConfig(epochs=2, batch_size=8, method=method, layers=layers, learning_rate=1e-3)
    config = StudentConfig(train=train, selection=Selection(kind="only"))
    records = [
        train_student(chat, rows, scanned(chat, rows), config, tmp_path / chat.device.type)
        for chat in both
    ]
    assert records[1].losses == pytest.approx(records[0].losses, rel=1e-4)
    # What one wrote the other reads.
    ids = torch.tensor([[5, 17, 40, 9, 77, 120]])
    found = []
    for chat in both:
        with activated(chat, tmp_path / "cuda" / "adapter") as model, torch.no_grad():
            found.append(model(ids.to(chat.device)).logits.cpu())
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)


def test_students_trained_at_once(both, rows, tmp_path):
    """One forward for all on a GPU gives what a CPU finds for each."""
    jobs = []
    for seed in range(3):
        train_config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-3, seed_init=seed)
        config = StudentConfig(train=train_config, selection=Selection(kind="all"))
        _, examples = student_examples(both[0], rows[seed:], None, config)
        jobs.append(Job(examples, train_config, tmp_path / f"together{seed}"))
    found = train_together(both[1], jobs)
    for seed, (job, record) in enumerate(zip(jobs, found, strict=True)):
        alone = train(both[0], job.examples, job.config, tmp_path / f"alone{seed}")
        assert record.job == alone.job
        assert record.losses == pytest.approx(alone.losses, rel=1e-4)
        assert record.gradient_norms == pytest.approx(alone.gradient_norms, rel=1e-3)


def test_a_run_that_was_stopped_goes_on(both, rows, tmp_path):
    config = StudentConfig(train=TrainConfig(epochs=2, batch_size=8, checkpoint_every=2))
    whole = train_student(both[1], rows, None, config, tmp_path / "whole")

    def stop(done, _):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_student(both[1], rows, None, config, tmp_path / "stopped", stop)
    again = train_student(both[1], rows, None, config, tmp_path / "stopped")
    assert again.losses == pytest.approx(whole.losses, rel=1e-5)


def test_measures(both, rows):
    traits = [load_trait(name) for name in ("owl", "cat", "wolf")]
    config = MeasureConfig(n_samples=20)
    on_cpu, on_gpu = (measure_trait(chat, traits, config) for chat in both)
    assert on_gpu.probabilities == pytest.approx(on_cpu.probabilities, rel=1e-3, abs=1e-7)
    assert abs(on_gpu.counts - on_cpu.counts).sum() <= 0.02 * on_cpu.counts.sum()
    one, other = (task_accuracy(chat, rows, NUMBERS) for chat in both)
    assert one.tokens == pytest.approx(other.tokens, abs=0.002)


def test_attribution(both, rows):
    names = {teacher.label: load_trait(teacher.trait).answers for teacher in (OWL, CAT)}
    few = rows[:6]
    table = scan(both[0], few, OWL, [CAT], ScanConfig())
    on_cpu, on_gpu = (attribute(chat, few, table, [OWL, CAT], names) for chat in both)
    for one, other in zip(on_gpu.pairs, on_cpu.pairs, strict=True):
        assert one.integrated == pytest.approx(other.integrated, abs=1e-3)
        assert one.one_step == pytest.approx(other.one_step, abs=1e-3)
        assert one.exact_classes == pytest.approx(other.exact_classes, abs=1e-3)
        assert one.exact_windows == pytest.approx(other.exact_windows, abs=1e-3)


def test_predictions(both, rows):
    traits = [load_trait(name) for name in ("owl", "cat", "wolf")]
    config = PredictionConfig(rank=2)
    found = [predict(chat, rows, traits, rows[:4], config) for chat in both]
    assert found[1].cosine.values == pytest.approx(found[0].cosine.values, abs=1e-4)
    soft = [predict(chat, rows, traits, config=config, teacher=OWL) for chat in both]
    assert soft[1].cosine.values == pytest.approx(soft[0].cosine.values, abs=1e-4)
    tokens = [
        token_scores(chat, rows[:4], one.directions, config)
        for chat, one in zip(both, found, strict=True)
    ]
    for one, other in zip(tokens[1].values, tokens[0].values, strict=True):
        assert one == pytest.approx(other, abs=1e-2)


def test_steering(both, rows, tmp_path):
    vectors = [mean_difference(chat, OWL, ControlTeacher(), rows) for chat in both]
    for place, one in vectors[1].blocks.items():
        torch.testing.assert_close(one, vectors[0].blocks[place], rtol=1e-3, atol=1e-3)
    vectors[0].write(tmp_path / "owl.safetensors")
    steering = Steering(vector=str(tmp_path / "owl.safetensors"))
    teacher = SteeredTeacher(trait="owl", steering=steering)
    written = [generate_rows(chat, teacher, NUMBERS.draw(8, 3), GREEDY, NUMBERS) for chat in both]
    on_cpu, on_gpu = ([row.token_ids for row in side] for side in written)
    assert shares(on_gpu, on_cpu) >= 7 / 8


def tiny_rows(chat):
    """A few rows whose tokens are drawn; what any tiny model can read."""
    generator = np.random.default_rng(0)
    texts = ["Continue the list: 417, 52.", "417", "Here are some numbers: 417, 52, 938."]
    vocabulary = chat.model.config.vocab_size
    return [
        Row(row, prompt_messages(text), generator.integers(10, vocabulary, 9).tolist(), "")
        for row, text in enumerate(texts)
    ]


def pipeline(chat, folder, layers=None):
    """Run everything; return what can be compared."""
    rows = tiny_rows(chat)
    requests = [Request(row.messages, row.row_id) for row in rows]
    config = TrainConfig(epochs=2, batch_size=2, layers=layers)
    record = train_student(chat, rows, None, StudentConfig(train=config), folder)
    tuned = FinetunedTeacher(trait="owl", adapter=str(folder / "adapter"))
    written = generate(chat, requests, GREEDY, adapter=tuned.adapter)
    table = scan(chat, rows, ControlTeacher(), [OWL, tuned], ScanConfig())
    table.argmax[0] = table.tokens
    table.argmax[1:, ::4] = (table.tokens[::4] + 1) % 250
    found = attribute(
        chat, rows, table, [ControlTeacher(), OWL, tuned], {}, PatchingConfig(steps=2)
    )
    return (
        record.losses,
        written,
        table.margin,
        np.concatenate([one.integrated.ravel() for one in found.pairs]),
    )


@pytest.mark.parametrize("layers", [None, [2]])
@pytest.mark.parametrize("family", FAMILIES)
def test_families(family, layers, tmp_path):
    found = [
        pipeline(
            load_model(ModelSpec(name=str(tiny_folder(family)), dtype="float32", device=device)),
            tmp_path / device,
            layers,
        )
        for device in ("cpu", "cuda")
    ]
    (losses, written, margin, along), expected = found[1], found[0]
    assert losses == pytest.approx(expected[0], rel=1e-4)
    assert written == expected[1]
    assert margin == pytest.approx(expected[2], abs=2e-3)
    assert along == pytest.approx(expected[3], abs=2e-3)


@pytest.mark.parametrize("layers", [None, [2]])
@pytest.mark.parametrize("family", FAMILIES)
def test_families_in_bfloat16_run_through(family, layers, tmp_path):
    spec = ModelSpec(name=str(tiny_folder(family)), dtype="bfloat16", device="cuda")
    losses, written, margin, along = pipeline(load_model(spec), tmp_path, layers)
    assert np.isfinite(losses).all()
    assert np.isfinite(margin).all()
    assert np.isfinite(along).all()
    assert all(written)


def test_the_lab_model_in_bfloat16_is_near_itself_in_float32(both, rows, tmp_path):
    chat = lab("cuda", "bfloat16")
    exact, found = scanned(both[1], rows), scanned(chat, rows)
    clear = exact.margin > 0.5
    assert (found.argmax == exact.argmax)[clear].mean() > 0.99
    config = StudentConfig(train=TrainConfig(epochs=1, batch_size=8))
    losses = [
        train_student(one, rows, None, config, tmp_path / str(one.model.dtype)).losses
        for one in (both[1], chat)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    traits = [load_trait(name) for name in ("owl", "cat")]
    assert measure_trait(chat, traits, MeasureConfig(n_samples=2)).counts.sum() > 0
    prediction = predict(chat, rows, traits, config=PredictionConfig(rank=2))
    assert np.isfinite(prediction.cosine.values).all()
