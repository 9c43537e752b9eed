"""The checkpoints that a training job has on the disk. What is in them only `pfa_core.checkpoint` knows."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pfa_store.disk import disk_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCheckpoint:
    """A checkpoint from which a job goes on, or its best weights so far."""

    step: int
    best: bool
    """The best weights, which are kept beside the checkpoints."""
    saved_s: float
    """When it was written, seconds since 1970."""
    num_bytes: int


def checkpoint_of(record: str, *, saved_s: float, num_bytes: int) -> JobCheckpoint | None:
    """What a file of that name is the record of; None: of no checkpoint."""
    kind, _, step = record.removesuffix(".json").partition("-")
    if kind not in ("step", "best") or not record.endswith(".json") or not step.isdigit():
        return None
    return JobCheckpoint(step=int(step), best=kind == "best", saved_s=saved_s, num_bytes=num_bytes)


def read_checkpoints(folder: Path) -> list[JobCheckpoint]:
    """Those in a folder, by step; none where there is no such folder.

    Raises:
        StoreUnavailable: the folder does not read.
    """
    found = []
    with disk_errors():
        for record in [*folder.glob("step-*.json"), *folder.glob("best-*.json")]:
            with contextlib.suppress(FileNotFoundError):  # the job has just written a newer one
                files = [record.stat(), record.with_suffix(".safetensors").stat()]
                num_bytes = sum(file.st_size for file in files)
                found.append(checkpoint_of(record.name, saved_s=files[0].st_mtime, num_bytes=num_bytes))
    return in_order(found)


def in_order(found: Iterable[JobCheckpoint | None]) -> list[JobCheckpoint]:
    """Those that are checkpoints, by step."""
    return sorted((one for one in found if one is not None), key=lambda one: (one.step, one.best))
