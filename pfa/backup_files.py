"""The data folder, copied while it is in use: every file is whole, and a gallery is of one generation."""

import fcntl
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pfa_core.errors import IndexDamaged
from pfa_core.gallery_format import MANIFEST, read_manifest

_SCRATCH = {"tmp", "locks", "logs", "broker", "cache"}
"""Of the data folder's own entries: made anew when they are missing."""
_DATABASE = "pfa.sqlite3"
"""It, its journals and its locks are not copied: the rows are in `tables`."""
_GALLERIES = "collections"
_TRIES = 4
"""A gallery that changes again and again while it is copied is locked the last time, and its writers wait."""
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedFile:
    """A line of `files.jsonl`."""

    path: str
    num_bytes: int
    sha256: str


def copy_files(source: Path, target: Path) -> Iterator[CopiedFile]:
    """Copy a data folder without what is scratch.

    Checkpoints come before the curves beside them, as `c` before `m`: a curve that is ahead is cut when its job goes
    on, one that is behind could not be mended.
    """
    galleries = {path.parent for path in (source / _GALLERIES).glob(f"*/*/{MANIFEST}")}
    for gallery in sorted(galleries):
        inner = gallery.relative_to(source)
        for file in _copy_gallery(gallery, target / inner):
            yield CopiedFile(path=f"{inner.as_posix()}/{file.path}", num_bytes=file.num_bytes, sha256=file.sha256)
    for path in sorted(source.rglob("*")):
        inner = path.relative_to(source)
        if inner.parts[0] in _SCRATCH or inner.name.startswith(_DATABASE) or inner.suffix == ".lock":
            continue
        if any(gallery in path.parents for gallery in galleries):
            continue
        if path.is_file() and not path.is_symlink():
            try:
                yield _copied_file(source, target, inner.as_posix())
            except FileNotFoundError:
                continue  # deleted since it was listed: a checkpoint that a newer one replaced, or by a user


def _copy_gallery(source: Path, target: Path) -> list[CopiedFile]:
    """The files of one generation: those that one manifest names, which do not change while there is one that does."""
    copies: dict[str, CopiedFile] = {}
    for _ in range(_TRIES):
        try:
            return _copy_generation(source, target, copies)
        except FileNotFoundError:  # a newer generation does not need it any more
            continue
        except IndexDamaged:  # or deleted since it was listed
            return [_copied_file(source, target, MANIFEST)] if (source / MANIFEST).exists() else []
    with (source / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as `pfa_core.gallery_edit` does
        return _copy_generation(source, target, copies)


def _copy_generation(source: Path, target: Path, copies: dict[str, CopiedFile]) -> list[CopiedFile]:
    """`copies`: what was copied of earlier generations; what they share with this one is not copied again.

    Raises:
        FileNotFoundError: there is a newer one.
        IndexDamaged: the manifest does not read.
    """
    manifest = read_manifest(source)
    seals = manifest.files()
    for path, seal in seals.items():
        if path not in copies or copies[path].sha256 != seal.sha256:
            copies[path] = _copied_file(source, target, path)
    for path in copies.keys() - seals.keys():
        (target / path).unlink()
        del copies[path]
    target.mkdir(parents=True, exist_ok=True)
    manifest.write(target)
    content = (target / MANIFEST).read_bytes()
    index = CopiedFile(path=MANIFEST, num_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return [*copies.values(), index]


def _copied_file(source: Path, target: Path, path: str) -> CopiedFile:
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    num_bytes, sha256 = copied(source / path, target / path)
    return CopiedFile(path=path, num_bytes=num_bytes, sha256=sha256)


def copied(source: Path, target: Path) -> tuple[int, str]:
    """Copy a file with its mode. Returns the bytes and sha256 of what was copied."""
    digest, num_bytes = hashlib.sha256(), 0
    with source.open("rb") as file, target.open("wb") as copy:
        while chunk := file.read(_CHUNK_BYTES):
            copy.write(chunk)
            digest.update(chunk)
            num_bytes += len(chunk)
    target.chmod(source.stat().st_mode & 0o777)
    return num_bytes, digest.hexdigest()
