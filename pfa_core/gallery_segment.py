"""A segment of a gallery: some items with their features and thumbnails, written once, then mapped.

    features.f32      (N, D), row after row
    norms.f32         (N,) squared lengths
    items.jsonl       a line an item; item_ends.i64 says where each ends
    thumbnails.bin    JPEGs, one after the other; thumbnail_ends.i64 as above
    codes.i32         (N, 3) source, label and data set of each item as places in terms.json's lists; -1: none
    ids.i64           (N,) ascending

Axes: N items, D length of a feature.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pfa_core.durable import flush, write_atomic
from pfa_core.errors import IndexDamaged
from pfa_core.gallery_format import F32, I32, I64, U8, Seal, SegmentRecord, check_seal, checked, mapped
from pfa_core.gallery_item import COLUMNS, GalleryItem, ItemFilter, terms_of

FEATURES, ITEMS, THUMBNAILS = "features.f32", "items.jsonl", "thumbnails.bin"
GROWING = (FEATURES, ITEMS, THUMBNAILS, "norms.f32", "item_ends.i64", "thumbnail_ends.i64", "codes.i32")
"""What items are appended to."""
_MARK = "mark.json"
_MAPPED: dict[str, np.dtype[Any]] = {FEATURES: F32, ITEMS: U8, THUMBNAILS: U8}
_READ: dict[str, np.dtype[Any]] = {
    "norms.f32": F32, "item_ends.i64": I64, "thumbnail_ends.i64": I64, "codes.i32": I32, "terms.json": U8,
    "ids.i64": I64,
}  # fmt: skip
"""About 50 bytes an item."""


class SegmentWriter:
    """Appends items to the files of a segment. What was added before a `mark` survives whatever comes after."""

    def __init__(self, folder: Path, *, num_features: int) -> None:
        """Go on with what the folder holds up to its last mark; the rest is cut off."""
        self.folder = folder
        self._num_features = num_features
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _MARK
        mark = json.loads(path.read_bytes()) if path.exists() else {}
        self.notes: list[Any] = mark.get("notes", [])
        """What the caller noted with each mark, in order."""
        columns = mark.get("terms", [[] for _ in range(COLUMNS)])
        self._terms = [{term: place for place, term in enumerate(column)} for column in columns]
        self._files = {name: (folder / name).open("ab") for name in GROWING}
        for name, file in self._files.items():
            file.truncate(mark.get("sizes", {}).get(name, 0))
            file.seek(0, 2)

    @property
    def num_items(self) -> int:
        return self._files["item_ends.i64"].tell() // I64.itemsize

    def add(self, features: NDArray[np.float32], items: Sequence[GalleryItem], thumbnails: Sequence[bytes]) -> None:
        """Append items.

        Args:
            features: (n, D) float32.
            items: n.
            thumbnails: n JPEGs; empty bytes for none.
        """
        assert features.shape == (len(items), self._num_features)
        assert len(thumbnails) == len(items)
        rows = np.ascontiguousarray(features, F32)
        codes = [[_code(known, term) for known, term in zip(self._terms, terms_of(i), strict=True)] for i in items]
        self._files[FEATURES].write(rows.tobytes())
        self._files["norms.f32"].write(squared_norms(rows).astype(F32).tobytes())
        self._files["codes.i32"].write(np.array(codes, I32).tobytes())
        self._grow(ITEMS, "item_ends.i64", [json.dumps(item.to_json()).encode() + b"\n" for item in items])
        self._grow(THUMBNAILS, "thumbnail_ends.i64", thumbnails)

    def mark(self, note: object) -> None:
        """Make what was added so far durable, with a note (plain values) of the caller."""
        for name, file in self._files.items():
            file.flush()
            flush(self.folder / name)
        self.notes.append(note)
        sizes = {name: file.tell() for name, file in self._files.items()}
        plain = {"notes": self.notes, "sizes": sizes, "terms": [list(known) for known in self._terms]}
        write_atomic(self.folder / _MARK, json.dumps(plain).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; what was not marked is cut off when somebody goes on."""
        for file in self._files.values():
            file.close()

    def finish(self, ids: NDArray[np.int64]) -> SegmentRecord:
        """Close the files and seal them, under the name of the folder.

        Args:
            ids: (N,) ascending.
        """
        num_items = self.num_items
        assert len(ids) == num_items
        self.close()
        (self.folder / "ids.i64").write_bytes(np.ascontiguousarray(ids, I64).tobytes())
        (self.folder / "terms.json").write_text(json.dumps([list(known) for known in self._terms]))
        (self.folder / _MARK).unlink(missing_ok=True)
        files = {name: Seal.of(self.folder / name) for name in (*GROWING, "terms.json", "ids.i64")}
        flush(self.folder)
        return SegmentRecord(name=self.folder.name, num_items=num_items, files=files)

    def _grow(self, name: str, ends_name: str, parts: Sequence[bytes]) -> None:
        file = self._files[name]
        ends = file.tell() + np.cumsum([len(part) for part in parts], dtype=np.int64)
        file.write(b"".join(parts))
        self._files[ends_name].write(ends.astype(I64).tobytes())


class Segment:
    """A segment, mapped."""

    def __init__(self, folder: Path, record: SegmentRecord, *, num_features: int) -> None:
        """Map the large files, read and check the small ones.

        Raises:
            IndexDamaged: a file has another size than it had, a small one other content, or they do not fit together.
            FileNotFoundError: a file is gone.
        """
        self.folder, self.record = folder, record
        columns = {name: mapped(folder, name, record.files, kind) for name, kind in _MAPPED.items()}
        columns |= {name: checked(folder, name, record.files, kind) for name, kind in _READ.items()}
        self._columns = columns
        wanted = dict.fromkeys(("norms.f32", "item_ends.i64", "thumbnail_ends.i64", "ids.i64"), record.num_items)
        wanted |= {FEATURES: record.num_items * num_features, "codes.i32": record.num_items * COLUMNS}
        if any(len(columns[name]) != size for name, size in wanted.items()):
            raise IndexDamaged(f"The files of {folder.name} do not fit together. Build the gallery again.")
        self.features: NDArray[np.float32] = columns[FEATURES].reshape(record.num_items, num_features)
        self.norms: NDArray[np.float32] = columns["norms.f32"]
        self.ids: NDArray[np.int64] = columns["ids.i64"]
        self._codes: NDArray[np.int32] = columns["codes.i32"].reshape(record.num_items, COLUMNS)
        self._lines, self._line_ends = columns[ITEMS], columns["item_ends.i64"]
        self._jpegs, self._jpeg_ends = columns[THUMBNAILS], columns["thumbnail_ends.i64"]
        self._terms: list[list[str]] = json.loads(columns["terms.json"].tobytes())

    def __len__(self) -> int:
        return self.record.num_items

    def item(self, row: int) -> GalleryItem:
        """Raises: IndexDamaged: its line does not read."""
        try:
            return GalleryItem.from_json(json.loads(_part(self._lines, self._line_ends, row)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexDamaged(f"An item of {self.folder.name} does not read: {error!r}.") from error

    def thumbnail(self, row: int) -> bytes | None:
        """A JPEG; None where the item has none."""
        return _part(self._jpegs, self._jpeg_ends, row) or None

    def passing(self, chosen: ItemFilter) -> NDArray[np.bool_]:
        """(N,) which items a filter lets through."""
        passing = np.ones(len(self), dtype=bool)
        for column, wanted in enumerate(chosen.fields()):
            if wanted:
                codes = [place for place, term in enumerate(self._terms[column]) if term in wanted]
                passing &= np.isin(self._codes[:, column], codes)
        return passing

    def verify(self) -> None:
        """Read everything. Raises: IndexDamaged: a file was changed."""
        for name, content in self._columns.items():
            check_seal(name, content, self.record.files)


def squared_norms(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) -> (N,)."""
    return np.einsum("nd,nd->n", rows, rows)


def _part(content: NDArray[np.uint8], ends: NDArray[np.int64], row: int) -> bytes:
    return content[int(ends[row - 1]) if row else 0 : int(ends[row])].tobytes()


def _code(known: dict[str, int], term: str | None) -> int:
    return -1 if term is None else known.setdefault(term, len(known))
