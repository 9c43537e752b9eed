"""Small files in the layouts that data sets are published in, written with SciPy, which the readers do not use."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.io import savemat

from pfa_core.importers.source import Source


def mat(variables: Mapping[str, Any], name: str = "file.mat", *, compressed: bool = True) -> Source:
    """A MATLAB file of version 5 (7, where compressed)."""
    buffer = io.BytesIO()
    savemat(buffer, dict(variables), do_compression=compressed)
    return Source(name, buffer.getvalue())


def structs(rows: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, Any]:
    """(1, N) struct array, as MATLAB's x(1), x(2), ..."""
    names = list(rows[0])
    found = np.empty((1, len(rows)), dtype=[(name, object) for name in names])
    for position, row in enumerate(rows):
        for name in names:
            found[0, position][name] = row[name]
    return found


def flic_example(**changes: Any) -> dict[str, Any]:
    """An example of FLIC: eleven joints, column k at (10 k + 1, 5 k + 1), counted from 1."""
    coords = np.full((2, 29), np.nan)
    for column in (1, 2, 3, 4, 5, 6, 7, 10, 13, 14, 17):
        coords[:, column - 1] = 10 * column + 1, 5 * column + 1
    return {
        "poselet_hit_idx": np.array([1.0, 2.0]),
        "moviename": "12-oclock-high",
        "coords": coords,
        "filepath": "12-oclock-high-00006361.jpg",
        "imgdims": np.array([480.0, 720.0, 3.0]),
        "currframe": 6361.0,
        "torsobox": np.array([11.0, 21.0, 110.0, 220.0]),
        "istrain": True,
        "istest": False,
    } | changes


def mpii_person(*points: tuple[int, float, float, Any], scale: float = 2.0) -> dict[str, Any]:
    """A person of MPII from (id, x, y, is_visible)."""
    rows = [{"x": x, "y": y, "id": float(number), "is_visible": visible} for number, x, y, visible in points]
    return {
        "x1": 1.0, "y1": 2.0, "x2": 30.0, "y2": 40.0,
        "annopoints": structs([{"point": structs(rows)}]) if rows else np.empty((0, 0)),
        "scale": scale,
        "objpos": structs([{"x": 301.0, "y": 251.0}]),
    }  # fmt: skip


def mpii_release(images: Sequence[tuple[str, Sequence[Mapping[str, Any]], int]]) -> dict[str, Any]:
    """A release from (name, people, 1 for training)."""
    annolist = structs(
        [
            {
                "image": structs([{"name": name}]),
                "annorect": structs(people) if people else np.empty((0, 0)),
                "frame_sec": np.empty((0, 0)),
                "vididx": 7.0,
            }
            for name, people, _ in images
        ]
    )
    train = np.array([[float(train) for _, _, train in images]])
    return {"RELEASE": structs([{"annolist": annolist, "img_train": train, "version": "12"}])}
