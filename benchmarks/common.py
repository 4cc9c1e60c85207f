"""What all benchmarks share: the machine in words, the record, the file of results."""

from __future__ import annotations

import datetime
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from torch.profiler import ProfilerActivity, profile

RESULTS = Path(__file__).parent / "results.json"


class BenchmarkResult(TypedDict):
    """One line of `results.json`.

    Attributes:
        name: `scan`, `student`, ...; with `-gpu` behind it what was measured on a GPU.
        ratio: ours / reference.
        ours: Speed of the library, in `unit`.
        reference: Speed of the slow obvious way in the same run, in `unit`.
        unit: What is counted per second.
        machine: Processor, cores, threads; no host name.
        date: ISO date of the run.
        share_of_peak: On a GPU, ours: operations done, of the bfloat16 peak measured in the run.
        reference_share_of_peak: The same of the reference.
        memory_gib: Most memory held by ours.
        reference_memory_gib: The same of the reference.
        agrees: Whether both found the same up to rounding.
        agreement: By how much they differ.
        bound: What takes the time of ours.
        reference_bound: What takes that of the reference.
    """

    name: str
    ratio: float
    ours: float
    reference: float
    unit: str
    machine: str
    date: str
    share_of_peak: NotRequired[float]
    reference_share_of_peak: NotRequired[float]
    memory_gib: NotRequired[float]
    reference_memory_gib: NotRequired[float]
    agrees: NotRequired[bool]
    agreement: NotRequired[str]
    bound: NotRequired[str]
    reference_bound: NotRequired[str]


def best_seconds(
    ours: Callable[[], object], reference: Callable[[], object], rounds: int = 3
) -> tuple[float, float]:
    """Return the processor's seconds of the fastest round of each, the two taking turns.

    On one thread they are those of the clock, less what other work on the machine takes. It hits
    both alike where it slows the processor itself, and the fastest round is the least disturbed.
    """
    found: list[list[float]] = [[], []]
    for _ in range(rounds):
        for side, run in enumerate((ours, reference)):
            start = time.process_time()
            run()
            found[side].append(time.process_time() - start)
    return min(found[0]), min(found[1])


def bound_of(run: Callable[[], object], n: int = 3) -> str:
    """Return where the time of a run goes: the dearest operations with their share of it."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        run()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    return ", ".join(f"{one.key} {one.self_cpu_time_total / total:.0%}" for one in events[:n])


def result(name: str, ours: float, reference: float, unit: str = "tokens/s") -> BenchmarkResult:
    """Return the record of a run, speeds to three digits."""
    return {
        "name": name,
        "ratio": float(f"{ours / reference:.3g}"),
        "ours": float(f"{ours:.3g}"),
        "reference": float(f"{reference:.3g}"),
        "unit": unit,
        "machine": machine(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def machine() -> str:
    """Return processor, cores and threads, and the version of torch."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    threads = torch.get_num_threads()
    return f"{device}, {os.cpu_count()} cores, {threads} thread(s), torch {torch.__version__}"


def save(new: BenchmarkResult, path: Path = RESULTS) -> None:
    """Put a result into the file, in place of an older one of the same name."""
    old: list[BenchmarkResult] = json.loads(path.read_text()) if path.is_file() else []
    kept = [one for one in old if one["name"] != new["name"]]
    merged = sorted([*kept, new], key=lambda one: one["name"])
    path.write_text(json.dumps(merged, indent=2) + "\n")


def show(new: BenchmarkResult, bound: str) -> None:
    """Print a result as people read it, and what bounds it."""
    print(
        f"{new['name']}: {new['ours']:,g} against {new['reference']:,g} {new['unit']},"
        f" {new['ratio']:.1f}x\n  {new['machine']}\n  bound by: {bound}"
    )


def _processor() -> str:
    """Return the processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
