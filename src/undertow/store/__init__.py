"""The store: files, data tables, content-addressed steps and runs. Knows no other room.

The tables are imported from `undertow.store.rows`: pyarrow is not needed to list runs.
"""

from undertow.store.artifact import Artifact, StepInput, StepRecord
from undertow.store.garbage import Garbage
from undertow.store.runs import Run
from undertow.store.steps import Store

__all__ = ["Artifact", "Garbage", "Run", "StepInput", "StepRecord", "Store"]
