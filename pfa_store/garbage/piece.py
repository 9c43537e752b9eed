"""Something that is cleared away, and what the disk says of it."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pfa_store.disk import disk_errors

Kind = Literal["history", "files", "checkpoints", "outputs", "packs", "audit", "temporary", "orphans"]
KINDS: tuple[Kind, ...] = (
    "history", "files", "checkpoints", "outputs", "packs", "audit", "temporary", "orphans"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What was removed, or would be."""

    kind: Kind
    name: str
    """Relative to the data folder, or the id of a job."""
    why: str
    num_bytes: int
    """On disk; 0 for rows of the database and for what is in an object store only."""


Sweep = Callable[[float, bool], Iterator[Piece | None]]
"""Clears away, at a time (seconds since 1970), or only says what would go. Every answer is a bounded piece of work;
None: something was looked at and stays."""


def size_on_disk(path: Path) -> int:
    """Bytes that a file, or a folder with all that is in it, takes; what vanishes meanwhile counts 0."""
    return sum(512 * status.st_blocks for status in _statuses(path))


def changed_s(path: Path) -> float:
    """When a file, or anything in a folder, was last changed, moved or linked; seconds since 1970.

    Of a file that was given another name the time of its content is old, so the one of its inode counts too.
    """
    return max((max(status.st_mtime, status.st_ctime) for status in _statuses(path)), default=0.0)


def _statuses(path: Path) -> Iterator[os.stat_result]:
    with disk_errors():
        for one in [path, *path.rglob("*")] if path.is_dir() else [path]:
            with contextlib.suppress(FileNotFoundError):
                yield one.lstat()


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing where there is none."""
    with disk_errors():
        try:
            return sorted(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
