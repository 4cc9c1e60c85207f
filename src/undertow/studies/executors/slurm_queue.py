"""Whether jobs still stand in SLURM's queue, asked of `squeue`.

Not of `sacct`, as submitit does: without a data base for accounts it fails, and a job that was
cancelled would be waited for without end.
"""

import subprocess
import time

ASK_EVERY = 20.0
"""Seconds between two questions, which all go to one controller."""

ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"),
}
"""States from which a job does not come back; one that is queued anew is PENDING."""


class SlurmQueue:
    """What the controller says of an array.

    Args:
        array: Number of the array: a job's number up to its `_`.
    """

    def __init__(self, array: str) -> None:
        self._array = array
        self._ended = False
        self._ask_at = time.monotonic()

    def has_ended(self) -> bool:
        """Return whether no job of the array waits or runs, as of the last question."""
        now = time.monotonic()
        if not self._ended and now >= self._ask_at:
            self._ended = self._ask()
            self._ask_at = now + ASK_EVERY
        return self._ended

    def _ask(self) -> bool:
        """Ask for the states of all jobs; a controller that does not answer has ended nothing."""
        command = ["squeue", "--jobs", self._array, "--array", "--noheader", "--states", "all"]
        told = subprocess.run(
            [*command, "--format", "%T"], capture_output=True, text=True, check=False
        )
        if told.returncode:
            return "Invalid job id" in told.stderr  # it keeps ended ones for minutes only
        return set(told.stdout.split()) <= ENDED
