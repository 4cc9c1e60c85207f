"""The store: files, data tables, content-addressed steps and runs. Knows no other room.

The tables are imported from `undertow.store.rows`: pyarrow is not needed to list runs.
"""

from undertow.store.garbage import Garbage
from undertow.store.runs import Run
from undertow.store.steps import Artifact, StepInput, StepRecord, Store

__all__ = ["Artifact", "Garbage", "Run", "StepInput", "StepRecord", "Store"]
