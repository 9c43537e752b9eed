"""Changing a gallery: items come and go, and a new generation is published by one rename.

One writer at a time holds the gallery's lock. What it makes lies beside what is there until `publish`; a writer that
dies before leaves a folder that nothing names, which the next one clears away.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.durable import flush
from pfa_core.errors import IndexDamaged, ModelUnsuitable
from pfa_core.gallery_format import F32, I64, MANIFEST, GalleryManifest, ReductionRecord, Seal, SegmentRecord
from pfa_core.gallery_format import read_manifest as read
from pfa_core.gallery_item import ItemFilter
from pfa_core.gallery_segment import Segment, SegmentWriter
from pfa_core.reduction import MAX_FITTED, Reduction
from pfa_core.retrieval import GalleryIndex, read_deleted, read_reduction

REDUCED_FROM = 5000
"""Galleries of so many rows get a projection. See benchmarks/retrieval.py for what decides it."""
REFIT_FACTOR = 2
"""It is fitted anew when the gallery has grown by this factor since."""
MAX_SEGMENTS = 16
_COPIED_AT_ONCE = 1024


class GalleryEdit:
    """One change of a gallery, under its lock."""

    def __init__(self, folder: Path, manifest: GalleryManifest | None, *, reduced_from: int) -> None:
        self._folder = folder
        self._manifest = manifest
        self._reduced_from = reduced_from

    @property
    def manifest(self) -> GalleryManifest:
        """The generation as it would be published now."""
        assert self._manifest is not None
        return self._manifest

    def has(self, key: str) -> bool:
        """Whether what has this key was appended before."""
        return self._manifest is not None and key in self._manifest.appended

    def append(self, writer: SegmentWriter, *, key: str, model: str, num_features: int, replaces: bool = False) -> None:
        """Take a written segment over: its folder is moved here. What has the same key is not appended again.

        Args:
            replaces: everything that was there goes.

        Raises:
            ModelUnsuitable: the gallery holds features of another model.
        """
        if self.has(key):
            return
        before = self._manifest
        if before is None or replaces:
            next_id, generation = (0, 0) if before is None else (before.next_id, before.generation)
            base = GalleryManifest(num_features=num_features, model=model, next_id=next_id, generation=generation)
        else:
            need_model(before, model=model, num_features=num_features)
            base = before
        num_items = writer.num_items
        record = writer.finish(base.next_id + np.arange(num_items))
        record = self._adopt(writer.folder, record, generation=base.generation + 1)
        segments = (*base.segments, record) if num_items else base.segments
        self._manifest = base.next(segments=segments, next_id=base.next_id + num_items, appended=(*base.appended, key))
        if len(segments) > MAX_SEGMENTS:
            self._merge(_last_ones(segments))
        self._reduce()

    def delete(self, ids: NDArray[np.int64]) -> int:
        """Let the items with these ids go; returns how many there were."""
        index = GalleryIndex(self._folder, self.manifest)
        gone = np.intersect1d(ids, index.ids())
        if not len(gone):
            return 0
        every = np.union1d(index.deleted, gone)
        self._note_deleted(every)
        if 2 * self.manifest.num_deleted > self.manifest.num_rows:
            self._merge(self.manifest.segments)
            self._reduce()
        return len(gone)

    def delete_where(self, chosen: ItemFilter) -> int:
        """Let the items go that a filter lets through; returns how many."""
        return self.delete(GalleryIndex(self._folder, self.manifest).ids(chosen))

    def publish(self) -> GalleryManifest:
        """From now on this is the gallery; what it does not name is deleted."""
        for name in ("segments", "deleted", "reductions"):
            if (self._folder / name).is_dir():
                flush(self._folder / name)
        self.manifest.write(self._folder)
        return self.manifest

    def clear(self) -> None:
        """Delete what the published generation does not name; readers keep what they have mapped."""
        if not (self._folder / MANIFEST).exists():
            return
        present = read(self._folder)
        kept = {"segments": {one.name for one in present.segments}, "deleted": set(present.deleted)}
        kept["reductions"] = set() if present.reduction is None else {present.reduction.name}
        for below, names in kept.items():
            for path in (self._folder / below).glob("*"):
                if path.name not in names:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _adopt(self, written: Path, record: SegmentRecord, *, generation: int) -> SegmentRecord:
        """Move a segment here, under a name of its own."""
        name = f"{generation:08d}-{os.urandom(4).hex()}"
        target = self._folder / "segments" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            written.rename(target)
        except OSError:  # from another file system
            shutil.copytree(written, target)
            for path in target.iterdir():
                flush(path)
            shutil.rmtree(written)
        return replace(record, name=name)

    def _note_deleted(self, ids: NDArray[np.int64]) -> None:
        """Ids that are gone from the segments, ascending."""
        generation = self.manifest.generation + 1
        files = {}
        if len(ids):
            path = self._folder / "deleted" / f"{generation:08d}.i64"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(np.ascontiguousarray(ids, I64).tobytes())
            files = {path.name: Seal.of(path)}
        self._manifest = replace(self.manifest, generation=generation, deleted=files, num_deleted=len(ids))

    def _merge(self, chosen: Sequence[SegmentRecord]) -> None:
        """Write some segments as one, without what was deleted from them."""
        before = self.manifest
        deleted = read_deleted(self._folder, before)
        scratch = self._folder / "segments" / f".merge-{os.getpid()}"
        shutil.rmtree(scratch, ignore_errors=True)
        writer = SegmentWriter(scratch, num_features=before.num_features)
        ids = []
        for record in chosen:
            segment = Segment(self._folder / "segments" / record.name, record, num_features=before.num_features)
            rows = np.flatnonzero(~np.isin(segment.ids, deleted))
            for some in np.split(rows, range(_COPIED_AT_ONCE, len(rows), _COPIED_AT_ONCE)):
                items = [segment.item(int(row)) for row in some]
                writer.add(segment.features[some], items, [segment.thumbnail(int(row)) or b"" for row in some])
            ids.append(segment.ids[rows])
        every = np.concatenate(ids)
        merged = self._adopt(scratch, writer.finish(every), generation=before.generation + 1)
        names = {record.name for record in chosen}
        others = tuple(record for record in before.segments if record.name not in names)
        self._manifest = before.next(segments=(*others, merged) if len(every) else others)
        left = [_ids(self._folder, record) for record in others]
        self._note_deleted(np.intersect1d(deleted, np.concatenate([np.empty(0, np.int64), *left])))

    def _reduce(self) -> None:
        """Give every segment its projected rows, fitting the projection first if there is none, or an old one."""
        manifest = self.manifest
        if manifest.num_rows < self._reduced_from:
            segments = tuple(replace(record, reduced={}) for record in manifest.segments)
            self._manifest = replace(manifest, segments=segments, reduction=None)
            return
        record = manifest.reduction
        anew = record is None or manifest.num_rows >= REFIT_FACTOR * record.num_fitted
        if record is None or anew:
            record = self._fitted()
            manifest = replace(manifest, segments=tuple(replace(one, reduced={}) for one in manifest.segments))
        folder = self._folder / "reductions" / record.name
        reduction = read_reduction(folder, record, num_features=manifest.num_features)
        segments = tuple(self._with_reduced(one, reduction, folder) for one in manifest.segments)
        self._manifest = replace(manifest, segments=segments, reduction=record)
        if anew:
            needed = GalleryIndex(self._folder, self._manifest).candidates_needed()
            self._manifest = replace(self._manifest, reduction=replace(record, num_candidates=needed))

    def _fitted(self) -> ReductionRecord:
        manifest = self.manifest
        rng = np.random.default_rng(manifest.num_rows)
        chosen = np.sort(rng.permutation(manifest.num_rows)[:MAX_FITTED])
        samples, start = [], 0
        for record in manifest.segments:
            segment = Segment(self._folder / "segments" / record.name, record, num_features=manifest.num_features)
            here = chosen[(chosen >= start) & (chosen < start + len(segment))] - start
            samples.append(segment.features[here])
            start += len(segment)
        reduction = Reduction.fit(np.concatenate(samples))
        folder = self._folder / "reductions" / f"{manifest.generation:08d}-{os.urandom(4).hex()}"
        folder.mkdir(parents=True)
        files = _written(folder, {"mean.f32": reduction.mean, "components.f32": reduction.components})
        return ReductionRecord(name=folder.name, num_fitted=manifest.num_rows, num_candidates=0, files=files)

    def _with_reduced(self, record: SegmentRecord, reduction: Reduction, folder: Path) -> SegmentRecord:
        if record.reduced:
            return record
        segment = Segment(self._folder / "segments" / record.name, record, num_features=self.manifest.num_features)
        rows, biases = reduction.project(segment.features)
        files = _written(folder, {f"{record.name}.rows.f32": rows, f"{record.name}.biases.f32": biases})
        return replace(record, reduced=files)


@contextmanager
def editing(folder: Path, *, anew: bool = False, reduced_from: int = REDUCED_FROM) -> Iterator[GalleryEdit]:
    """Change a gallery, which need not exist yet; waits for another writer. Nothing is changed without `publish`.

    Args:
        anew: everything will be replaced, so that what is there need not read.
        reduced_from: galleries of so many rows get a projection.

    Raises:
        IndexDamaged: what is there does not read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        edit = GalleryEdit(folder, _present(folder, anew=anew), reduced_from=reduced_from)
        yield edit
        edit.clear()


def _present(folder: Path, *, anew: bool) -> GalleryManifest | None:
    try:
        return read(folder) if (folder / MANIFEST).exists() else None
    except IndexDamaged:
        if not anew:
            raise
        return None


def need_model(manifest: GalleryManifest, *, model: str, num_features: int) -> None:
    """Raises: ModelUnsuitable: the gallery holds features of another model."""
    if (manifest.model, manifest.num_features) != (model, num_features):
        raise ModelUnsuitable(
            f"The gallery holds features of {manifest.model} ({manifest.num_features} numbers each), not of {model}"
            f" ({num_features}). Use that model, or fill the gallery anew.",
            model=manifest.model,
        )


def _last_ones(segments: Sequence[SegmentRecord]) -> Sequence[SegmentRecord]:
    """The last two, and those before them that are no larger than what follows: each item is merged few times."""
    first = len(segments) - 2
    total = sum(record.num_items for record in segments[first:])
    while first > 0 and segments[first - 1].num_items <= total:
        first -= 1
        total += segments[first].num_items
    return segments[first:]


def _ids(folder: Path, record: SegmentRecord) -> NDArray[np.int64]:
    return np.fromfile(folder / "segments" / record.name / "ids.i64", I64)


def _written(folder: Path, arrays: dict[str, NDArray[np.float32]]) -> dict[str, Seal]:
    for name, array in arrays.items():
        (folder / name).write_bytes(np.ascontiguousarray(array, F32).tobytes())
    seals = {name: Seal.of(folder / name) for name in arrays}
    flush(folder)
    return seals
