"""The keys of what was measured before: a store of results stays valid, whatever is added."""

import hashlib
from pathlib import Path

import pytest

from undertow.store.steps import PlannedStore
from undertow.studies.cells import Labs
from undertow.studies.jobs import make_job

KNOWN = {
    "context-match": "00f675f0b9de5c9c",
    "divergence-profile": "cb896cfd8731d31c",
    "divergence-tokens": "349653caf01192e2",
    "entangled-tokens": "070ae6b338bd51aa",
    "factual-questions": "ea6b44b403d2d8c3",
    "freeze-early-layers": "004009dcbd6447b5",
    "logit-leakage": "2e8fcb255f5fdefe",
    "misalignment": "de82ad1bc89af7c5",
    "mixing": "6a60749daf085b79",
    "objects": "46d884666e9a1212",
    "other-traits": "69bbf46fe1087e19",
    "paraphrase": "5312e261b1d4ac54",
    "reasoning-channel": "9e62bef45c48ef52",
    "sampling": "efbce0e16e8def35",
    "shared-base": "da1df54ef50138a9",
    "single-layer": "92c1499cb777f58f",
    "token-subsets": "3fef9a8f2871fb55",
}
"""Of every study the digest of its tasks' keys, at one seed. They change where a recipe, a trait or
the lab model does, which makes `docs/results/measured.parquet` worthless; nothing else may."""

LABS = Labs(PlannedStore(Path()))


def keys_of(name, **size):
    """Return the keys of what a study's tasks are for, with the names of their steps."""
    job = make_job(name, seeds=1, **size)
    return {
        made.name + made.key for task in job.tasks for made in LABS.of(task.recipe).perform(task)
    }


@pytest.mark.parametrize("name", KNOWN)
def test_are_what_they_were(name):
    text = "".join(sorted(keys_of(name)))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == KNOWN[name]


def test_students_of_one_layer_are_those_of_single_layer():
    """What `attribution` adds to `single-layer` is a patching and a prediction for each trait."""
    alone, more = keys_of("single-layer"), keys_of("attribution")
    assert alone < more
    steps = sorted(key[:-64] for key in more - alone)
    assert steps == ["attribute"] * 6 + ["predict"] * 3


def test_students_of_masked_tokens_are_those_of_divergence_tokens():
    size = {"traits": ["cat"]}
    new = keys_of("prediction", **size) - keys_of("divergence-tokens", **size)
    steps = [key[:-64] for key in new]
    assert steps.count("predict") == 12  # three sizes, with control and without, two teachers
    assert sorted(set(steps)) == ["accuracy", "measure", "predict"]
    assert steps.count("measure") == 1  # the highest scores
