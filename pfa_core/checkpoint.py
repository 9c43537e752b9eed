"""Checkpoints of a training run: written atomically, verified when read, the last two kept, and the best weights.

A checkpoint is two files: `step-00000100.safetensors` (weights, momentum, averages) and, written after it,
`step-00000100.json` (the step, what the run is, the other file's sha256). Without its JSON it does not exist.

The best weights are two such files, `best-00000050.safetensors` and `.json`. They carry the step in their name because
a run that goes on from an older checkpoint needs the best of that time: they stay as long as a checkpoint names them.
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
    best: int | None = None
    """The step of the best weights so far, which are kept beside."""


def digest_of(*parts: object) -> str:
    """sha256 of configurations (dataclasses) and plain values: equal exactly when they are equal."""
    text = json.dumps(parts, default=_plain, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _plain(value: object) -> dict[str, Any]:
    assert is_dataclass(value), f"{value!r} is neither plain nor a dataclass"
    assert not isinstance(value, type)
    return asdict(value)


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, config_sha256: str) -> None:
    """Write a checkpoint of the run `config_sha256`, then drop all but the last two and the best weights of these."""
    record = {"config_sha256": config_sha256, "best": checkpoint.best, "state": checkpoint.state}
    _write(folder, _name("step", checkpoint.step), checkpoint.tensors, {"step": checkpoint.step, **record})
    _forget_old(folder, best=checkpoint.best)


def save_best(
    folder: Path, tensors: Mapping[str, Tensor], *, step: int, figures: Mapping[str, float], config_sha256: str
) -> None:
    """Write the best weights so far and the validation's figures of them; then drop those that nothing needs."""
    record = {"step": step, "config_sha256": config_sha256, "figures": dict(figures)}
    _write(folder, _name("best", step), tensors, record)
    _forget_old(folder, best=step)


def _name(kind: str, step: int) -> str:
    return f"{kind}-{step:08d}.json"


def _write(folder: Path, name: str, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """The tensors first; with the record, which has their sha256, the two files begin to exist."""
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / name).with_suffix(".safetensors")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_tensors(tensors, temporary)
        flush(temporary)
        sha = sha256_of(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush(folder)
    write_atomic(folder / name, json.dumps({**record, "sha256": sha}).encode())


def _forget_old(folder: Path, *, best: int | None) -> None:
    """Remove all but the last two checkpoints, the best weights that they name, and those of step `best`."""
    last = _records(folder)[:KEPT]
    named = [best, *(_best_of(record) for record in last)]
    kept = {path.stem for path in last} | {Path(_name("best", step)).stem for step in named if step is not None}
    for path in [*folder.glob("step-*"), *folder.glob("best-*")]:
        if path.stem not in kept:
            path.unlink(missing_ok=True)
    for path in folder.glob(".*"):  # half-written, by a process that was killed
        path.unlink(missing_ok=True)


def _best_of(record: Path) -> int | None:
    try:
        return json.loads(record.read_bytes())["best"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a damaged checkpoint needs nothing


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


def load_best(folder: Path, *, step: int, config_sha256: str) -> dict[str, Tensor]:
    """The best weights, of that step.

    Raises:
        CheckpointMismatch, CheckpointDamaged: as `load_checkpoint`.
    """
    return _tensors(folder / _name("best", step), config_sha256)[1]


def _read(record: Path, config_sha256: str) -> Checkpoint:
    plain, tensors = _tensors(record, config_sha256)
    try:
        found = Checkpoint(step=plain["step"], tensors=tensors, state=plain["state"], best=plain["best"])
    except KeyError as error:
        raise _damaged(record) from error
    if found.best is not None:  # nothing can go on to the end without them
        _tensors(record.with_name(_name("best", found.best)), config_sha256)
    return found


def _tensors(record: Path, config_sha256: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the two files hold, checked."""
    try:
        plain = json.loads(record.read_bytes())
        sha, run = plain["sha256"], plain["config_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(record) from error
    if run != config_sha256:
        raise CheckpointMismatch(
            f"The checkpoints in {record.parent} belong to a run with another configuration or other inputs."
            " Use an empty work folder, or the configuration it was started with.",
            folder=str(record.parent),
        )
    path = record.with_suffix(".safetensors")
    try:
        if sha256_of(path) != sha:
            raise _damaged(path)
        return plain, load_file(path)
    except (OSError, SafetensorError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> CheckpointDamaged:
    return CheckpointDamaged(
        f"The checkpoint file {path.name} does not read back, nor does an older one."
        " Empty the work folder to train from the beginning.",
        file=str(path),
    )
