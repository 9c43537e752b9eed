"""Checked access to what a MATLAB file holds. Every error names the place.

MATLAB counts pixels from 1: the centre of the first one is at (1, 1), here at (0, 0). All places read here are moved.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import AnnotationsInvalid
from pfa_core.importers.mat import Value
from pfa_core.people import Box, Point, as_point


def structs(value: Value, *, where: str, fields: tuple[str, ...]) -> list[Mapping[str, Value]]:
    """A struct array with these fields at least."""
    if not isinstance(value, list):
        raise AnnotationsInvalid(f"{where} must be an array of structs.")
    missing = [field for field in fields if value and field not in value[0]]
    if missing:
        raise AnnotationsInvalid(f"{where} lacks the fields {', '.join(missing)}.")
    return value


def one(value: Value, *, where: str, fields: tuple[str, ...]) -> Mapping[str, Value]:
    """A single struct with these fields."""
    found = structs(value, where=where, fields=fields)
    if len(found) != 1:
        raise AnnotationsInvalid(f"{where} must be one struct, not {len(found)}.")
    return found[0]


def text(value: Value, *, where: str) -> str:
    """A name."""
    if not isinstance(value, str) or not value.strip():
        raise AnnotationsInvalid(f"{where} must be a text.")
    return value.strip()


def number(value: Value, *, where: str) -> float:
    """A finite number."""
    if not isinstance(value, float) or not np.isfinite(value):
        raise AnnotationsInvalid(f"{where} must be a number.")
    return value


def numbers(value: Value, *, where: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Numbers of this shape; None: any length."""
    found = np.atleast_2d(np.asarray(value, dtype=np.float64)) if isinstance(value, float | np.ndarray) else None
    wanted = " x ".join("n" if side is None else str(side) for side in shape)
    if found is None:
        raise AnnotationsInvalid(f"{where} must be {wanted} numbers.")
    if found.ndim == len(shape) - 1:
        found = found[..., None]  # MATLAB drops a last side of 1
    fits = found.ndim == len(shape) and all(side in (None, real) for side, real in zip(shape, found.shape, strict=True))
    if not fits:
        raise AnnotationsInvalid(f"{where} must be {wanted} numbers, not {' x '.join(map(str, found.shape))}.")
    return found


def flags(value: Value, *, where: str) -> NDArray[np.bool_]:
    """A row or column of zeros and ones."""
    if not isinstance(value, float | np.ndarray):
        raise AnnotationsInvalid(f"{where} must be zeros and ones.")
    return np.atleast_1d(np.asarray(value)).ravel() > 0


def point(place: Sequence[float] | NDArray[np.float64], visible: int, *, where: str) -> Point:
    """A place that counts from 1, as one that counts from 0; not finite: not labelled."""
    x, y = (float(part) for part in place)
    if visible == 0 or not (np.isfinite(x) and np.isfinite(y)):
        return (0.0, 0.0, 0)
    return as_point([x - 1, y - 1, visible], where=where)


def box(corners: NDArray[np.float64]) -> Box | None:
    """First and last column and row that it covers, counted from 1: x1, y1, x2, y2; None where it is none."""
    x1, y1, x2, y2 = (float(side) for side in corners.ravel())
    if not np.isfinite(corners).all() or x2 < x1 or y2 < y1:
        return None
    return (x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1)
