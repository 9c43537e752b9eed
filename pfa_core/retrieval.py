"""A gallery of fc6 features that answers "which poses are nearest to this one?". Source: paper section 4.1, figure 4.

A gallery is a folder of mapped files (`gallery_format`), filled by `gallery` and changed by `gallery_edit`. A loaded
one is a generation that stays as it was, whatever is appended or deleted meanwhile.

Axes: N items, Q queries, D length of a feature, R of a projected one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import IndexDamaged, ItemNotFound, ModelUnsuitable
from pfa_core.gallery_format import (
    F32,
    I64,
    FileSeals,
    GalleryManifest,
    ReductionRecord,
    check_seal,
    checked,
    mapped,
    read_manifest,
)
from pfa_core.gallery_item import GalleryItem, ItemFilter
from pfa_core.gallery_segment import Segment
from pfa_core.nearest import ROUNDING, Nearest, candidates, candidates_needed, measured, scores
from pfa_core.reduction import Reduction

ALL = ItemFilter()
RERANKED_PER_K = 5
"""Candidates of a projected search that are measured in full, for each answer; at least as many as were tried out."""
WORTH_SHARE = 0.05
"""Where more than this share of the rows would have to be measured, the search is exact."""
_TRIED_QUERIES, _TRIED_K, _TRIED_SHARE, _SAFETY = 64, 10, 0.995, 2
GATHERED_SHARE = 0.02
"""Where a filter lets through less than this share of the rows, only those are looked at, and exactly."""
_QUERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """One answer of a search."""

    id: int
    """Of the item in its gallery, for as long as it is there."""
    distance: float
    """Euclidean, not squared."""
    item: GalleryItem


class GalleryIndex:
    """One generation of a gallery, mapped. Safe to share between threads."""

    def __init__(self, folder: Path, manifest: GalleryManifest) -> None:
        """Map what the manifest names. Raises: IndexDamaged, FileNotFoundError: see `Segment`."""
        self.folder, self.manifest = folder, manifest
        num_features = manifest.num_features
        self._segments = [
            Segment(folder / "segments" / record.name, record, num_features=num_features)
            for record in manifest.segments
        ]
        self._starts = np.cumsum([0, *(len(segment) for segment in self._segments)])
        self._ids = np.concatenate([np.empty(0, np.int64), *(segment.ids for segment in self._segments)])
        self.deleted = read_deleted(folder, manifest)
        """Ids of items that are gone, ascending."""
        self._live = None if not len(self.deleted) else ~np.isin(self._ids, self.deleted)
        self._norms = np.concatenate([np.empty(0, F32), *(segment.norms for segment in self._segments)])
        self._reduction = _Reduced.of(folder, manifest)

    @staticmethod
    def load(folder: Path, *, verify: bool = False) -> "GalleryIndex":
        """Map the present generation of a gallery.

        Sizes of all files and the content of the small ones (50 bytes an item) are checked; `verify` reads all of it.

        Raises:
            IndexDamaged: a file is missing, changed or of another layout.
        """
        while True:
            manifest = read_manifest(folder)
            try:
                index = GalleryIndex(folder, manifest)
            except FileNotFoundError as error:
                if read_manifest(folder).generation != manifest.generation:
                    continue  # a newer generation was published meanwhile, and this one cleared away
                raise IndexDamaged(f"A file of the gallery {folder.name} is gone: {error}. Build it again.") from error
            except OSError as error:
                raise IndexDamaged(f"The gallery {folder.name} does not read: {error}.") from error
            if verify:
                index.verify()
            return index

    def verify(self) -> None:
        """Compare every byte with its sha256. Raises: IndexDamaged: a file was changed."""
        for segment in self._segments:
            segment.verify()
        if self._reduction is not None:
            self._reduction.verify()

    def __len__(self) -> int:
        return self.manifest.num_items

    @property
    def num_features(self) -> int:
        """D."""
        return self.manifest.num_features

    def search(
        self, queries: NDArray[np.float32], *, k: int, among: ItemFilter = ALL, exact: bool = False
    ) -> list[list[Neighbour]]:
        """The k nearest items of each query, the nearest first, ties by id; all of them when there are fewer.

        Small galleries are searched exactly. Large ones are searched by their projected rows first, and the best of
        those are measured in full, as many as gave a recall@10 of 0.99 when that was tried out: distances are always
        right, and nearly always so are the items.

        Args:
            queries: (Q, D) float32, from the model that filled the gallery.
            among: only items that this lets through.
            exact: search exactly whatever it costs.

        Raises:
            ModelUnsuitable: features of another length.
        """
        if queries.ndim != 2 or queries.shape[1] != self.num_features:
            raise ModelUnsuitable(
                f"The gallery holds features of {self.num_features} numbers, the query has shape {queries.shape}."
                f" Ask with the model that filled it, {self.manifest.model}."
            )
        asked = np.ascontiguousarray(queries, dtype=np.float32)
        passing = self._passing(among)
        found: list[Nearest] = []
        for start in range(0, len(asked), _QUERIES_AT_ONCE):
            found += self._nearest(asked[start : start + _QUERIES_AT_ONCE], passing, k=k, exact=exact)
        return [
            [
                Neighbour(id=int(self._ids[row]), distance=float(distance), item=self._item(int(row)))
                for row, distance in zip(*one, strict=True)
            ]
            for one in found
        ]

    def item(self, item_id: int) -> GalleryItem:
        """Raises: ItemNotFound."""
        return self._item(self._row(item_id))

    def feature(self, item_id: int) -> NDArray[np.float32]:
        """(D,), a copy. Raises: ItemNotFound."""
        return self._features(np.array([self._row(item_id)]))[0]

    def thumbnail(self, item_id: int) -> bytes | None:
        """A JPEG; None where the item has none. Raises: ItemNotFound."""
        segment, row = self._at(self._row(item_id))
        return segment.thumbnail(row)

    def ids(self, among: ItemFilter = ALL) -> NDArray[np.int64]:
        """The ids of the items that a filter lets through, ascending."""
        passing = self._passing(among)
        return self._ids.copy() if passing is None else self._ids[passing]

    def page(self, *, after: int, limit: int, among: ItemFilter = ALL) -> list[tuple[int, GalleryItem]]:
        """Up to `limit` items with ids above `after`, by id."""
        ids = self.ids(among)
        first = int(np.searchsorted(ids, after, side="right"))
        return [(int(one), self.item(int(one))) for one in ids[first : first + limit]]

    def keys(self, dataset: str | None) -> Iterator[tuple[object, ...]]:
        """`GalleryItem.key` of every item of a data set."""
        among = ItemFilter(datasets=() if dataset is None else (dataset,))
        return (self.item(int(one)).key for one in self.ids(among))

    def _passing(self, among: ItemFilter) -> NDArray[np.bool_] | None:
        """(N,) the rows to look at; None: all of them."""
        if not among:
            return self._live
        passing = np.concatenate([np.empty(0, bool), *(segment.passing(among) for segment in self._segments)])
        return passing if self._live is None else passing & self._live

    def _nearest(
        self, queries: NDArray[np.float32], passing: NDArray[np.bool_] | None, *, k: int, exact: bool
    ) -> list[Nearest]:
        num_passing = len(self._ids) if passing is None else int(passing.sum())
        if passing is not None and num_passing < GATHERED_SHARE * len(self._ids):
            return self._nearest_of(queries, np.flatnonzero(passing), k=k)
        least = 0 if self._reduction is None else max(self._reduction.num_candidates, RERANKED_PER_K * k)
        if self._reduction is None or exact or least > WORTH_SHARE * len(self._ids):
            table, least = self._scores(queries), k
        else:
            table = self._reduction.scores(queries)
        if passing is not None:
            table[:, ~passing] = np.inf
        longest = float(self._norms.max(initial=0))
        found = []
        for query, row_scores in zip(queries, table, strict=True):
            margin = ROUNDING * (longest + float(query @ query))
            rows = candidates(row_scores, least=min(least, num_passing), margin=margin)
            found.append(measured(self._features(rows), query, rows, k=k))
        return found

    def _scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """(Q, D) -> (Q, N) squared distances, less a number for each query."""
        parts = [np.empty((len(queries), 0), np.float32)]
        parts += [scores(segment.features, segment.norms, queries) for segment in self._segments]
        return np.concatenate(parts, axis=1)

    def candidates_needed(self) -> int:
        """How many candidates its projection needs, tried out with some of its items; twice as many, to be safe."""
        assert self._reduction is not None
        rows = np.linspace(0, len(self._ids) - 1, min(_TRIED_QUERIES, len(self._ids))).astype(np.int64)
        tried = self._features(rows)
        needed = candidates_needed(self._scores(tried), self._reduction.scores(tried), k=_TRIED_K, share=_TRIED_SHARE)
        return _SAFETY * needed

    def _nearest_of(self, queries: NDArray[np.float32], rows: NDArray[np.int64], *, k: int) -> list[Nearest]:
        """Exactly, among a few rows."""
        features = self._features(rows)
        return [measured(features, query, rows, k=k) for query in queries]

    def _features(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, D) of ascending rows."""
        parts = [np.empty((0, self.num_features), np.float32)]
        for segment, start in zip(self._segments, self._starts, strict=False):
            first, last = np.searchsorted(rows, (start, start + len(segment)))
            if first < last:
                parts.append(segment.features[rows[first:last] - start])
        return np.concatenate(parts)

    def _row(self, item_id: int) -> int:
        row = int(np.searchsorted(self._ids, item_id))
        there = row < len(self._ids) and self._ids[row] == item_id and (self._live is None or self._live[row])
        if not there:
            raise item_not_found(item_id)
        return row

    def _at(self, row: int) -> tuple[Segment, int]:
        place = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._segments[place], row - int(self._starts[place])

    def _item(self, row: int) -> GalleryItem:
        segment, place = self._at(row)
        return segment.item(place)


class _Reduced:
    """The projection of a gallery and the projected rows of its segments, mapped."""

    def __init__(self, folder: Path, record: ReductionRecord, manifest: GalleryManifest) -> None:
        self._reduction = read_reduction(folder, record, num_features=manifest.num_features)
        width = self._reduction.components.shape[1]
        self.num_candidates = record.num_candidates
        self._parts = []
        self._sealed: list[tuple[str, NDArray[np.float32], FileSeals]] = [
            ("mean.f32", self._reduction.mean, record.files),
            ("components.f32", self._reduction.components, record.files),
        ]
        for segment in manifest.segments:
            names = f"{segment.name}.rows.f32", f"{segment.name}.biases.f32"
            rows = mapped(folder, names[0], segment.reduced, F32)
            biases = checked(folder, names[1], segment.reduced, F32)
            self._sealed.append((names[0], rows, segment.reduced))
            if (len(rows), len(biases)) != (segment.num_items * width, segment.num_items):
                raise IndexDamaged(f"The projected rows of {segment.name} do not fit. Build the gallery again.")
            self._parts.append((rows.reshape(-1, width), biases))

    @staticmethod
    def of(folder: Path, manifest: GalleryManifest) -> "_Reduced | None":
        """None where the gallery is too small to have one."""
        record = manifest.reduction
        return None if record is None else _Reduced(folder / "reductions" / record.name, record, manifest)

    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """(Q, D) -> (Q, N) estimated squared distances, less a number for each query."""
        projected, _ = self._reduction.project(queries)
        return np.concatenate([scores(rows, biases, projected) for rows, biases in self._parts], axis=1)

    def verify(self) -> None:
        """Raises: IndexDamaged."""
        for name, content, seals in self._sealed:
            check_seal(name, content, seals)


def item_not_found(item_id: int) -> ItemNotFound:
    """The error of an id that no item has, or has any more."""
    return ItemNotFound(f"There is no item {item_id} in it.", item=item_id)


def read_reduction(folder: Path, record: ReductionRecord, *, num_features: int) -> Reduction:
    """A projection, mapped. Raises: IndexDamaged, FileNotFoundError: see `gallery_format.mapped`."""
    mean = mapped(folder, "mean.f32", record.files, F32)
    components = mapped(folder, "components.f32", record.files, F32)
    if len(mean) != num_features or len(components) % num_features:
        raise IndexDamaged("The projection of the gallery does not fit its features. Build the gallery again.")
    return Reduction(mean, components.reshape(num_features, -1))


def read_deleted(folder: Path, manifest: GalleryManifest) -> NDArray[np.int64]:
    """Ids of the items that are gone from a gallery's segments, ascending. Raises: as `gallery_format.checked`."""
    found = np.empty(0, np.int64)
    for name in manifest.deleted:
        found = checked(folder / "deleted", name, manifest.deleted, I64)
    return found
