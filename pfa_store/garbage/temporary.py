"""Temporary files of processes that died; whoever lives has changed his within a day, or holds them by a lock."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

from pfa_store.disk import disk_errors
from pfa_store.files import HELD_BY, Files
from pfa_store.garbage.piece import Piece, changed_s, entries, size_on_disk
from pfa_store.garbage.retention import Retention

PARTS = ".tmp-*"
"""What `Files.write_atomic` calls a file until it is complete."""


class Temporary:
    def __init__(self, files: Files, retention: Retention) -> None:
        self._files = files
        self._kept_s = retention.orphans_s

    def sweep(self, now_s: float, dry_run: bool) -> Iterator[Piece | None]:
        """Remove old ones."""
        root = self._files.root
        for path in entries(root / "tmp"):
            yield self._look(path, now_s, dry_run)
        for below in ("images/*", "thumbnails/*", "jobs/*", "jobs/*/files-*", "audit"):
            for path in sorted(root.glob(f"{below}/{PARTS}")):
                yield self._look(path, now_s, dry_run)

    def _look(self, path: Path, now_s: float, dry_run: bool) -> Piece | None:
        if now_s - changed_s(path) <= self._kept_s or _is_held(path):
            return None
        name, num_bytes = self._files.relative(path), size_on_disk(path)
        if not dry_run:
            if path.is_dir():  # it is out of the way already
                self._files.empty(path)
            else:
                self._files.remove(path)
        return Piece(kind="temporary", name=name, why="its process did not remove it", num_bytes=num_bytes)


def _is_held(folder: Path) -> bool:
    """Whether a living process keeps a temporary folder for as long as it lives."""
    with disk_errors():
        try:
            with (folder / HELD_BY).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except BlockingIOError:
            return True
        return False
