"""MATLAB files of version 5 to 7.2, read with nothing but numpy and zlib, and bounded at every step.

The files come from strangers: nothing in them is executed, every length is checked against the bytes that are really
there, and what is compressed unpacks to a bounded size. SciPy's reader is the oracle of the tests and not used here:
damaged files have crashed it (docs/decisions/0010). Source: MathWorks, "MAT-File Format", R2019b.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import AnnotationsInvalid

Value = Any
"""float (a 1 x 1 number), NDArray (other numbers), str, list of dict (a struct array), tuple (a cell array), or None
for what no annotations consist of (sparse matrices, objects, function handles). Arrays of structs and cells are flat,
in MATLAB's order (columns first)."""

MAX_BYTES = 512 * 2**20
"""All variables of a file, unpacked. The largest published annotations (MPII) take about 200 MiB."""
MAX_DEPTH = 16
"""Structs in structs. MPII has six levels."""
HEADER_BYTES = 128
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

_COMPRESSED, _MATRIX = 15, 14
_NUMBERS: Mapping[int, str] = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
_TEXT: Mapping[int, str] = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _CHAR, _FIRST_NUMBER, _LAST_NUMBER = 1, 2, 4, 6, 15


def is_mat(data: bytes) -> bool:
    """Whether it begins like a MATLAB file of any version since 5."""
    return data.startswith((b"MATLAB ", HDF5_MAGIC)) or (len(data) >= HEADER_BYTES and data[126:128] in (b"IM", b"MI"))


def read_mat(data: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Value]:
    """The variables of a MATLAB file by name.

    Raises:
        AnnotationsInvalid: another version, damaged, cut off, nested too deeply, or larger than `max_bytes` unpacked.
    """
    if data.startswith((b"MATLAB 7.3", HDF5_MAGIC)) or data[124:126] in (b"\x00\x02", b"\x02\x00"):
        raise AnnotationsInvalid(
            "The .mat file is of version 7.3 (HDF5), which is not read. Save it again in MATLAB with"
            " save(..., '-v7'), or in Octave with save -v7."
        )
    if len(data) < HEADER_BYTES or data[126:128] not in (b"IM", b"MI"):
        raise AnnotationsInvalid("This is no MATLAB file of version 5 to 7.2, or its header is damaged.")
    order = "<" if data[126:128] == b"IM" else ">"
    try:
        return _variables(data, order, budget=max_bytes)
    except (struct.error, zlib.error, ValueError, UnicodeDecodeError, OverflowError) as error:
        raise AnnotationsInvalid(f"The .mat file is damaged or cut off: {error}.") from error


def _variables(data: bytes, order: str, *, budget: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    source = _Source(data, order)
    at = HEADER_BYTES
    while at < len(data):
        kind, start, end, at = source.element(at, len(data))
        if kind == _COMPRESSED:
            at = end  # these alone are not padded
            unpacked = _unpacked(data[start:end], budget)
            budget -= len(unpacked)
            inner = _Source(unpacked, order)
            kind, start, end, _ = inner.element(0, len(unpacked))
        else:
            inner = source
        if kind == _MATRIX:
            name, value = inner.matrix(start, end, depth=0)
            found[name] = value
    return found


def _unpacked(data: bytes, budget: int) -> bytes:
    stream = zlib.decompressobj()
    unpacked = stream.decompress(data, max(1, budget + 1))
    if len(unpacked) > budget:
        raise AnnotationsInvalid("The .mat file unpacks to more than is allowed; annotations are never so large.")
    if not stream.eof:
        raise ValueError("a compressed variable ends early")
    return unpacked


class _Source:
    """Bytes of elements: each has a tag with its type and length, then its content, padded to 8 bytes."""

    def __init__(self, data: bytes, order: str) -> None:
        """`order`: `<` or `>`, of the bytes in a number."""
        self.data = data
        self.order = order
        self._tag = struct.Struct(order + "II").unpack_from
        self._dtypes = {kind: np.dtype(order + code) for kind, code in _NUMBERS.items()}

    def element(self, at: int, limit: int) -> tuple[int, int, int, int]:
        """Type, start and end of the content, and where the next element begins; all within `limit`."""
        kind, length = self._tag(self.data, at)
        if kind >> 16:  # a small element: length, type and up to 4 bytes in 8
            length, kind, start, following = kind >> 16, kind & 0xFFFF, at + 4, at + 8
            if length > 4:
                raise ValueError(f"a small element at byte {at} has {length} bytes")
        else:
            start = at + 8
            following = start + (length + 7) // 8 * 8
        end = start + length
        if end > limit:
            raise ValueError(f"an element at byte {at} is longer than what holds it")
        return kind, start, end, following

    def numbers(self, at: int, limit: int) -> tuple[NDArray[Any], int]:
        """A numeric element as (N,), and where the next one begins."""
        kind, start, end, following = self.element(at, limit)
        dtype = self._dtypes.get(kind)
        if dtype is None or (end - start) % dtype.itemsize:
            raise ValueError(f"an element at byte {at} is no array of numbers")
        return np.frombuffer(self.data, dtype, (end - start) // dtype.itemsize, start), following

    def matrix(self, at: int, limit: int, *, depth: int) -> tuple[str, Value]:
        """Name and value of the matrix whose content is data[at:limit]."""
        if at == limit:
            return "", np.empty((0, 0))
        if depth > MAX_DEPTH:
            raise ValueError("its structs are nested too deeply")
        _, start, end, at = self.element(at, limit)
        if end - start < 4:
            raise ValueError("a matrix has no flags")
        flags = self._tag(self.data, start)[0]
        dims, at = self.numbers(at, limit)
        shape = tuple(int(side) for side in dims)
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"a matrix has the size {shape}")
        _, start, end, at = self.element(at, limit)
        name = self.data[start:end].decode("latin-1")
        return name, self._value(flags & 0xFF, shape, at, limit, depth)

    def _value(self, matlab_class: int, shape: tuple[int, ...], at: int, limit: int, depth: int) -> Value:
        count = 1
        for side in shape:
            count *= side
        if _FIRST_NUMBER <= matlab_class <= _LAST_NUMBER:
            return self._array(shape, count, at, limit)
        if matlab_class == _CHAR:
            return self._text(count, at, limit)
        if matlab_class == _CELL:
            return tuple(self._members(count, at, limit, depth))
        if matlab_class == _STRUCT:
            return self._structs(count, at, limit, depth)
        return None

    def _array(self, shape: tuple[int, ...], count: int, at: int, limit: int) -> Value:
        if count == 0:
            return np.empty((0, 0))
        numbers, _ = self.numbers(at, limit)
        if len(numbers) != count:
            raise ValueError(f"{len(numbers)} numbers for a matrix of {count}")
        return float(numbers[0]) if count == 1 else numbers.reshape(shape, order="F").astype(np.float64)

    def _text(self, count: int, at: int, limit: int) -> str:
        if count == 0:
            return ""
        kind, start, end, _ = self.element(at, limit)
        coding = _TEXT.get(kind)
        if coding is None:
            raise ValueError(f"text at byte {at} is in no known coding")
        if coding in ("utf-16", "utf-32"):
            coding += "-le" if self.order == "<" else "-be"
        return self.data[start:end].decode(coding)

    def _members(self, count: int, at: int, limit: int, depth: int) -> list[Value]:
        if count * 8 > limit - at:  # every member has a tag at least
            raise ValueError(f"{count} members in {limit - at} bytes")
        members = []
        for _ in range(count):
            kind, start, end, at = self.element(at, limit)
            if kind != _MATRIX:
                raise ValueError("a member is no matrix")
            members.append(self.matrix(start, end, depth=depth + 1)[1])
        return members

    def _structs(self, count: int, at: int, limit: int, depth: int) -> list[dict[str, Value]]:
        widths, at = self.numbers(at, limit)
        width = int(widths[0]) if len(widths) == 1 else 0
        _, start, end, at = self.element(at, limit)
        if width < 1 or (end - start) % width:
            raise ValueError("the names of a struct's fields have no common length")
        names = [
            self.data[place : place + width].split(b"\0")[0].decode("latin-1") for place in range(start, end, width)
        ]
        if not names:
            if count > limit:
                raise ValueError(f"{count} structs without fields")
            return [{} for _ in range(count)]
        members = self._members(count * len(names), at, limit, depth)
        return [
            dict(zip(names, members[first : first + len(names)], strict=True))
            for first in range(0, len(members), len(names))
        ]
