"""The checkpoints that a training job has on the disk. What is in them only `pfa_core.checkpoint` knows."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from pfa_store.files import disk_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCheckpoint:
    """A checkpoint from which a job goes on, or its best weights so far."""

    step: int
    best: bool
    """The best weights, which are kept beside the checkpoints."""
    saved_s: float
    """When it was written, seconds since 1970."""
    num_bytes: int


def read_checkpoints(folder: Path) -> list[JobCheckpoint]:
    """Those in a folder, by step; none where there is no such folder.

    Raises:
        StoreUnavailable: the folder does not read.
    """
    found = []
    with disk_errors():
        for record in [*folder.glob("step-*.json"), *folder.glob("best-*.json")]:
            with contextlib.suppress(FileNotFoundError):  # the job has just written a newer one
                kind, _, step = record.stem.partition("-")
                files = [record.stat(), record.with_suffix(".safetensors").stat()]
                num_bytes = sum(file.st_size for file in files)
                found.append(
                    JobCheckpoint(step=int(step), best=kind == "best", saved_s=files[0].st_mtime, num_bytes=num_bytes)
                )
    return sorted(found, key=lambda one: (one.step, one.best))
