"""Checkpoints of a training run: written atomically, verified when read, the last two kept.

A checkpoint is two files: `step-00000100.safetensors` (weights and momentum) and, written after it,
`step-00000100.json` (the step, what the run is, the other file's sha256). Without its JSON it does not exist.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pfa_core.durable import flush, sha256_of, write_atomic
from pfa_core.errors import CheckpointDamaged, CheckpointMismatch
from pfa_core.tensor_files import save_tensors

KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything from which a run goes on as if it had never stopped."""

    step: int
    """Optimiser steps done."""
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]
    """Plain values: the history so far and the like."""


def digest_of(*parts: object) -> str:
    """sha256 of configurations (dataclasses) and plain values: equal exactly when they are equal."""
    text = json.dumps(parts, default=_plain, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _plain(value: object) -> dict[str, Any]:
    assert is_dataclass(value), f"{value!r} is neither plain nor a dataclass"
    assert not isinstance(value, type)
    return asdict(value)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, config_sha256: str) -> None:
    """Write a checkpoint of the run `config_sha256`, then drop all but the last two."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = folder / f"step-{checkpoint.step:08d}.safetensors"
    temporary = tensors.with_name(f".{tensors.name}.{os.getpid()}.tmp")
    try:
        save_tensors(checkpoint.tensors, temporary)
        flush(temporary)
        sha = sha256_of(temporary)
        temporary.replace(tensors)
    finally:
        temporary.unlink(missing_ok=True)
    flush(folder)
    record = {"step": checkpoint.step, "config_sha256": config_sha256, "sha256": sha, "state": checkpoint.state}
    write_atomic(tensors.with_suffix(".json"), json.dumps(record).encode())
    _forget_old(folder)


def _forget_old(folder: Path) -> None:
    kept = {path.stem for path in _records(folder)[:KEPT]}
    for path in folder.glob("step-*"):
        if path.stem not in kept:
            path.unlink(missing_ok=True)
    for path in folder.glob(".step-*.tmp"):
        path.unlink(missing_ok=True)


def _records(folder: Path) -> list[Path]:
    """The JSON files of all checkpoints, the newest first."""
    return sorted(folder.glob("step-*.json"), reverse=True)


def load_checkpoint(folder: Path, *, config_sha256: str) -> Checkpoint | None:
    """The newest checkpoint that reads back; None when none was written.

    A damaged one is passed over for the one before.

    Raises:
        CheckpointMismatch: it was written by a run with another configuration.
        CheckpointDamaged: there are checkpoints, but none of them reads back.
    """
    damage: CheckpointDamaged | None = None
    for record in _records(folder):
        try:
            return _read(record, config_sha256)
        except CheckpointDamaged as error:
            damage = damage or error
    if damage is not None:
        raise damage
    return None


def _read(record: Path, config_sha256: str) -> Checkpoint:
    try:
        plain = json.loads(record.read_bytes())
        step, sha, run, state = plain["step"], plain["sha256"], plain["config_sha256"], plain["state"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(record) from error
    if run != config_sha256:
        raise CheckpointMismatch(
            f"The checkpoints in {record.parent} belong to a run with another configuration or other inputs."
            " Use an empty work folder, or the configuration it was started with.",
            folder=str(record.parent),
        )
    tensors = record.with_suffix(".safetensors")
    try:
        if sha256_of(tensors) != sha:
            raise _damaged(tensors)
        return Checkpoint(step=step, tensors=load_file(tensors), state=state)
    except (OSError, SafetensorError) as error:
        raise _damaged(tensors) from error


def _damaged(path: Path) -> CheckpointDamaged:
    return CheckpointDamaged(
        f"The checkpoint file {path.name} does not read back, nor does an older one."
        " Empty the work folder to train from the beginning.",
        file=str(path),
    )
