"""The data folder: whether it can be written, has room, keeps its promises about renaming and locking, and is tidy."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pfa.doctor.finding import Finding, broken, ok, warning
from pfa_store.settings import Settings

OLD_S = 24 * 3600.0
"""A temporary file of that age belongs to no process that lives."""


def data_folder(settings: Settings) -> Iterator[Finding]:
    """All about the folder; where it is not there yet, about the one that it will be made in."""
    folder = there = settings.data_dir.resolve()
    try:
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            yield broken("data folder", f"{there} is no folder", remedy="Set PFA_DATA_DIR to a folder.")
            return
        scratch = Path(tempfile.mkdtemp(prefix=".doctor-", dir=there))
    except OSError as error:
        remedy = f"Make {there} writable for this user ({os.getuid()}), or set PFA_DATA_DIR to another folder."
        yield broken("data folder", f"{there} cannot be written: {error.strerror}", remedy=remedy)
        return
    try:
        state = "is writable" if there == folder else "will be made at the first start"
        yield ok("data folder", f"{folder} {state}")
        yield from _locks(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    yield from _room(there, settings)
    if folder.is_dir():
        yield from _one_filesystem(folder)
        yield from _secrets(folder)
        yield from leftovers(folder, now_s=time.time())


def _locks(scratch: Path) -> Iterator[Finding]:
    """Whether a lock that one holds keeps another out: some network file systems only pretend."""
    path = scratch / "lock"
    remedy = "Put PFA_DATA_DIR on a local disk, or on a network file system with locks (NFS 4)."
    with path.open("w") as first, path.open("w") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            yield broken("locks", f"files here cannot be locked: {error.strerror}", remedy=remedy)
            return
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield ok("locks", "a lock on a file holds")
            return
    yield broken("locks", "two held the same lock at once", remedy=remedy)


def _room(folder: Path, settings: Settings) -> Iterator[Finding]:
    usage = shutil.disk_usage(folder)
    says = f"{usage.free / 2**30:.1f} GiB free"
    remedy = "Free some disk: `pfa packs prune` clears away what nothing needs. PFA_MIN_FREE_BYTES is the limit."
    if usage.free < settings.min_free_bytes:
        needed = settings.min_free_bytes / 2**30
        yield broken("disk", f"{says}; uploads are refused (507) below {needed:.1f} GiB", remedy=remedy)
    elif usage.free < 2 * settings.min_free_bytes:
        yield warning("disk", f"{says}; soon uploads will be refused", remedy=remedy)
    else:
        yield ok("disk", says)


def _one_filesystem(folder: Path) -> Iterator[Finding]:
    """Files come into being in tmp/ and are renamed to their place, which works within one file system only."""
    home = folder.stat().st_dev
    away = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.stat().st_dev != home)
    if away:
        remedy = "Mount the whole data folder, not folders inside it: files are renamed from tmp/ to their place."
        yield broken("file system", f"{', '.join(away)} lie on other file systems", remedy=remedy)
    else:
        yield ok("file system", "all of it on one file system")


def _secrets(folder: Path) -> Iterator[Finding]:
    key = folder / "admin.key"
    if key.is_file() and key.stat().st_mode & 0o077:
        yield warning("admin key", f"others may read {key}", remedy=f"chmod 600 {key}")


def leftovers(folder: Path, *, now_s: float) -> Iterator[Finding]:
    """Temporary files that no process can still be writing."""
    old = [path for path in folder.glob("tmp/*") if path.lstat().st_mtime < now_s - OLD_S]
    if not old:
        yield ok("leftovers", "none")
        return
    num_bytes = sum(path.lstat().st_size for path in old if path.is_file())
    says = f"{len(old)} files older than a day in tmp/, {num_bytes / 2**20:.1f} MiB"
    yield warning("leftovers", says, remedy=f"While nothing runs, delete them: rm -r {folder / 'tmp'}/*")
