"""How the benchmarks on a GPU measure: seconds, arithmetic, memory, kernels."""

from __future__ import annotations

import re
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from common import BenchmarkResult, bound_of, result

Found = TypeVar("Found")
Other = TypeVar("Other")

KINDS = {  # of kernels, by what their names hold
    "matrix products": r"gemm|nvjet|cutlass|xmma|gemv|splitk",
    "attention": r"flash|fmha|attention|sdpa",
    "softmax and loss": r"softmax|nll|cross_entropy",
    "norms": r"norm",
    "copies and gathers": r"memcpy|memset|copy|cat|index|gather|scatter|transpose",
    "reductions": r"reduce|argmax|scan",
}


@dataclass(frozen=True)
class Side(Generic[Found]):
    """One of the two ways.

    Attributes:
        run: Does some units of work (rows, pairs), given how many, and returns what it found.
        size: Units that are timed.
        warm: Units of the warm-up and of the probes for arithmetic and kernels.
        amount: From units to what the speed counts, as tokens.
    """

    run: Callable[[int], Found]
    size: int
    warm: int
    amount: Callable[[int], float]


@dataclass(frozen=True)
class Measured(Generic[Found]):
    """What was measured of a side.

    Attributes:
        found: What the timed run returned.
        speed: Per second.
        seconds: Of the timed run.
        flops: Operations per second, of those really done.
        memory: Most memory held, GiB, weights included.
        bound: Where the time goes.
    """

    found: Found
    speed: float
    seconds: float
    flops: float
    memory: float
    bound: str


def compared(
    name: str,
    unit: str,
    ours: Side[Found],
    reference: Side[Other],
    agreement: Callable[[Found, Other], tuple[bool, str]],
    peak: float,
    device: torch.device,
) -> BenchmarkResult:
    """Measure both ways, and say how far they agree.

    Args:
        name: Of the benchmark.
        unit: What the speed counts.
        ours: The library's way.
        reference: The obvious way.
        agreement: Whether what both found is the same up to rounding, and by how much it differs.
        peak: Operations per second of the chip, measured.
        device: Where it runs.
    """
    one, other = _measured(ours, device), _measured(reference, device)
    agrees, words = _tried(lambda: agreement(one.found, other.found), (False, "not compared"))
    found = result(name, one.speed, other.speed, unit)
    found["machine"] = f"{found['machine']}, {peak / 1e12:.0f} TFLOP/s bf16 measured"
    found["share_of_peak"] = float(f"{one.flops / peak:.3g}")
    found["reference_share_of_peak"] = float(f"{other.flops / peak:.3g}")
    found["memory_gib"] = round(one.memory, 1)
    found["reference_memory_gib"] = round(other.memory, 1)
    found["agrees"] = agrees
    found["agreement"] = words
    found["bound"] = one.bound
    found["reference_bound"] = other.bound
    print(
        f"{name}: {one.speed:,.1f} against {other.speed:,.1f} {unit}, {found['ratio']:.2f}x\n"
        f"  ours: {one.seconds:.1f} s, {one.flops / peak:.0%} of the peak, {one.memory:.1f} GiB;"
        f" {one.bound}\n"
        f"  reference: {other.seconds:.1f} s, {other.flops / peak:.0%} of the peak,"
        f" {other.memory:.1f} GiB; {other.bound}\n"
        f"  {'agree' if agrees else 'DO NOT AGREE'}: {words}",
        flush=True,
    )
    return found


def measured_peak(device: torch.device) -> float:
    """Return the operations per second of a large bfloat16 matrix product of random numbers."""
    size = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    times = sorted(_timed(lambda: [a @ b for _ in range(10)], device)[1] for _ in range(3))
    return 10 * 2 * size**3 / times[1]


def _measured(side: Side[Found], device: torch.device) -> Measured[Found]:
    """Warm up, time, and look where the time goes."""
    side.run(side.warm)
    _reset(device)
    found, seconds = _timed(lambda: side.run(side.size), device)
    memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
    speed = side.amount(side.size) / seconds
    operations = _tried(lambda: _operations(lambda: side.run(side.warm)), 0)
    flops = operations / side.amount(side.warm) * speed
    scale = side.amount(side.size) / side.amount(side.warm)
    bound = _tried(
        lambda: _bound(lambda: side.run(side.warm), device, seconds / scale), "not profiled"
    )
    _reset(device)
    return Measured(found, speed, seconds, flops, memory, bound)


class _Operations(TorchDispatchMode):
    """Counts the operations of matrix products and attention, forward and backward.

    PyTorch's own counter watches modules too, and fails on gradients of activations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        with suppress(AssertionError):  # attention with fewer heads of keys; one part in fifty
            if count is not None:
                self.total += count(*args, **(kwargs or {}), out_val=found)
        return found


def _operations(run: Callable[[], object]) -> int:
    """Return the operations of a run."""
    with _Operations() as counter:
        run()
    return counter.total


def _tried(run: Callable[[], Found], otherwise: Found) -> Found:
    """Return what a probe finds; a probe that fails costs none of what was timed."""
    try:
        return run()
    except Exception:
        traceback.print_exc()
        return otherwise


def _timed(run: Callable[[], Found], device: torch.device) -> tuple[Found, float]:
    _synchronize(device)
    start = time.perf_counter()
    found = run()
    _synchronize(device)
    return found, time.perf_counter() - start


def _bound(run: Callable[[], object], device: torch.device, seconds: float) -> str:
    """Return the share of the time that the chip is busy, and what with.

    Args:
        run: Some work.
        device: Where it runs.
        seconds: What that work takes when nobody looks.
    """
    if device.type != "cuda":
        return bound_of(run)
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        run()
        _synchronize(device)
    spent: Counter[str] = Counter()
    for event in profiler.events():
        if event.device_type == DeviceType.CUDA and not event.name.startswith("Optimizer"):
            spent[_kind(event.name)] += event.time_range.elapsed_us()
    total = sum(spent.values()) or 1.0
    parts = ", ".join(f"{kind} {time / total:.0%}" for kind, time in spent.most_common(5))
    return f"chip busy {total / 1e6 / seconds:.0%} of the time: {parts}"


def _kind(kernel: str) -> str:
    """Return what a kernel does, by its name."""
    for kind, pattern in KINDS.items():
        if re.search(pattern, kernel, re.IGNORECASE):
            return kind
    return "elementwise"


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset(device: torch.device) -> None:
    """Forget the largest memory so far, and give back what is not in use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
