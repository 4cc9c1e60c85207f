"""All benchmarks on one GPU, on a model of Qwen2.5-7B's shape with random weights in bfloat16.

Run with `python benchmarks/gpu.py results.json`; needs about 60 GiB of the GPU's memory and four
minutes. `--shape tiny --device cpu` runs the same code in half a minute anywhere. A part that fails
prints its traceback, and the others go on; results are written after every part.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import traceback
from pathlib import Path

import torch
from transformers.utils import logging

from common import BenchmarkResult
from gpu_measure import measured_peak
from gpu_parts import PARTS
from gpu_setting import SHAPES, make_setting

SIZES = {  # rows; each side takes 5 to 20 seconds
    "qwen2.5-7b": {
        "scan": 128,
        "scan_reference": 48,
        "student": 720,
        "step": 60,
        "one_layer": 120,
        "generate": 512,
        "generate_reference": 48,
        "attribute": 3,
    },
    "tiny": {
        "scan": 4,
        "scan_reference": 2,
        "student": 24,
        "step": 12,
        "one_layer": 12,
        "generate": 8,
        "generate_reference": 8,
        "attribute": 2,
    },
}


def main() -> None:
    """Measure every part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="JSON file that the records are written to")
    parser.add_argument("--shape", choices=list(SHAPES), default="qwen2.5-7b")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, divided by commas")
    options = parser.parse_args()
    logging.set_verbosity_error()
    device, sizes = torch.device(options.device), SIZES[options.shape]
    start = time.perf_counter()
    peak = measured_peak(device)
    print(f"peak: {peak / 1e12:.3g} TFLOP/s", flush=True)
    setting = make_setting(options.shape, device, max(sizes.values()))
    print(f"model after {time.perf_counter() - start:.0f} s", flush=True)
    records: list[BenchmarkResult] = []
    for name in options.only.split(","):
        try:
            records.append(PARTS[name](setting, sizes, peak))
        except Exception:  # the others are still worth having
            traceback.print_exc()
        gc.collect()  # what a failure still holds
        if device.type == "cuda":
            torch.cuda.empty_cache()
        options.out.write_text(json.dumps(records, indent=2) + "\n")
        print(f"  after {time.perf_counter() - start:.0f} s", flush=True)
    print()
    for one in records:
        words = "" if one.get("agrees") else "  DO NOT AGREE"
        print(
            f"{one['name']:22} {one['ratio']:5.2f}x  {one['ours']:>10,.1f} against"
            f" {one['reference']:>9,.1f} {one['unit']},"
            f" {one.get('share_of_peak', 0):.0%} of the peak{words}"
        )


if __name__ == "__main__":
    main()
