"""All benchmarks, one after another, and a short table: `python benchmarks`."""

from __future__ import annotations

import attribute
import generate
import scan
import student
from common import save

if __name__ == "__main__":
    runs = (generate.run, scan.run, student.run, student.run_one_layer, attribute.run)
    records = [run() for run in runs]
    for record in records:
        save(record)
    print()
    for record in records:
        print(
            f"{record['name']:17} {record['ratio']:6.1f}x  {record['ours']:>9,g} against "
            f"{record['reference']:>7,g} {record['unit']}"
        )
