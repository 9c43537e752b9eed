"""The files of a gallery: a folder that is always whole, whoever reads or writes it and whatever dies.

    manifest.json              the present generation; replaced by rename, with a sha256 of itself
    segments/<name>/           some items, never changed once the manifest names them (`gallery_segment`)
    deleted/<generation>.i64   ids of items that are gone from their segments, ascending
    reductions/<name>/         the projection of large galleries, and the projected rows of every segment

Numbers are little-endian. Nothing is ever unpickled. Large files are mapped, not read: a reader keeps what it has
mapped after the names are gone (POSIX), so that a new generation may delete what it no longer names at once.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfa_core.durable import flush, sha256_of, write_atomic
from pfa_core.errors import IndexDamaged

FORMAT = 2
MANIFEST = "manifest.json"
F32, I32, I64, U8 = np.dtype("<f4"), np.dtype("<i4"), np.dtype("<i8"), np.dtype("u1")

FileSeals = Mapping[str, "Seal"]


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file must be."""

    num_bytes: int
    sha256: str

    @staticmethod
    def of(path: Path) -> "Seal":
        """Of a file as it is now, which is flushed to the disk first."""
        flush(path)
        return Seal(path.stat().st_size, sha256_of(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """What the manifest says about a segment."""

    name: str
    num_items: int
    files: FileSeals
    reduced: FileSeals = field(default_factory=dict)
    """Its files in the folder of the present reduction; empty without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReductionRecord:
    """What the manifest says about the projection."""

    name: str
    num_fitted: int
    """Items that the gallery had when it was fitted."""
    num_candidates: int
    """How many rows must be measured in full for a recall@10 of 0.99, as tried out when it was fitted."""
    files: FileSeals


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryManifest:
    """A generation of a gallery."""

    num_features: int
    model: str
    """The model whose features it holds, such as `name@version`."""
    generation: int = 0
    next_id: int = 0
    """Ids are never used again."""
    num_deleted: int = 0
    appended: tuple[str, ...] = ()
    """Keys of what was appended: the same key is not appended twice."""
    segments: tuple[SegmentRecord, ...] = ()
    deleted: FileSeals = field(default_factory=dict)
    reduction: ReductionRecord | None = None

    @property
    def num_rows(self) -> int:
        """Items, the deleted ones included."""
        return sum(segment.num_items for segment in self.segments)

    @property
    def num_items(self) -> int:
        return self.num_rows - self.num_deleted

    def files(self) -> dict[str, Seal]:
        """By path inside the gallery, every file that this generation has beside the manifest."""
        found = {f"deleted/{name}": seal for name, seal in self.deleted.items()}
        for segment in self.segments:
            found |= {f"segments/{segment.name}/{name}": seal for name, seal in segment.files.items()}
        if self.reduction is not None:
            seals = [self.reduction.files, *(segment.reduced for segment in self.segments)]
            found |= {f"reductions/{self.reduction.name}/{name}": seal for one in seals for name, seal in one.items()}
        return found

    def write(self, folder: Path) -> None:
        """Publish it: from now on it is what readers find."""
        plain = {"format": FORMAT, **asdict(self)}
        write_atomic(folder / MANIFEST, json.dumps({**plain, "sha256": _digest(plain)}).encode() + b"\n")

    def next(self, **changes: Any) -> "GalleryManifest":  # noqa: ANN401  # its own fields
        """The generation after it."""
        return replace(self, generation=self.generation + 1, **changes)


def read_manifest(folder: Path) -> GalleryManifest:
    """The present generation.

    Raises:
        IndexDamaged: it is missing, changed or of another layout.
    """
    try:
        plain = json.loads((folder / MANIFEST).read_bytes())
        if plain["format"] != FORMAT:
            raise IndexDamaged(f"The gallery has layout {plain['format']}; this version reads layout {FORMAT}.")
        if plain.pop("sha256") != _digest(plain):
            raise IndexDamaged(f"{MANIFEST} of the gallery {folder.name} was changed. Build it again.")
        del plain["format"]
        reduction = plain.pop("reduction")
        return GalleryManifest(
            **{
                **plain,
                "appended": tuple(plain["appended"]),
                "segments": tuple(_segment(one) for one in plain["segments"]),
                "deleted": _seals(plain["deleted"]),
                "reduction": None
                if reduction is None
                else ReductionRecord(**{**reduction, "files": _seals(reduction["files"])}),
            }
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamaged(f"{MANIFEST} of the gallery {folder.name} does not read: {error!r}.") from error


def mapped(folder: Path, name: str, seals: FileSeals, kind: np.dtype[Any]) -> NDArray[Any]:
    """(n,) what a file holds, mapped.

    Raises:
        IndexDamaged: it has another size than the manifest says.
        FileNotFoundError: it is gone; perhaps a newer generation no longer needs it.
    """
    num_bytes, path = seals[name].num_bytes, folder / name
    if path.stat().st_size != num_bytes or num_bytes % kind.itemsize:
        raise IndexDamaged(f"{name} of {folder.name} has another size than it was written with. Build it again.")
    if num_bytes == 0:
        return np.empty(0, kind)  # nothing cannot be mapped
    return np.asarray(np.memmap(path, kind, mode="r"))  # a plain array on mapped memory


def checked(folder: Path, name: str, seals: FileSeals, kind: np.dtype[Any]) -> NDArray[Any]:
    """(n,) what a small file holds, read.

    Raises:
        IndexDamaged: it is not as it was written.
        FileNotFoundError: as `mapped`.
    """
    found = np.fromfile(folder / name, kind)
    check_seal(name, found, seals)
    return found


def check_seal(name: str, content: NDArray[Any], seals: FileSeals) -> None:
    """Compare what was mapped or read of a file with its sha256.

    Raises:
        IndexDamaged: it was changed since it was written.
    """
    if hashlib.sha256(content.data).hexdigest() != seals[name].sha256:
        raise IndexDamaged(f"{name} of a gallery was changed since it was written. Build the gallery again.")


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _segment(plain: Mapping[str, Any]) -> SegmentRecord:
    return SegmentRecord(**{**plain, "files": _seals(plain["files"]), "reduced": _seals(plain["reduced"])})


def _seals(plain: Mapping[str, Any]) -> dict[str, Seal]:
    return {name: Seal(**seal) for name, seal in plain.items()}
