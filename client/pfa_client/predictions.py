"""Calls that predict from an image, and collections of poses to find neighbours in."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pfa_client import reading
from pfa_client.arrays import PoseArrays, need_numpy, pose_arrays
from pfa_client.files import part
from pfa_client.methods import call, listing
from pfa_client.pages import Pages
from pfa_client.records import Actions, Collection, Features, Neighbour, Pose, record
from pfa_client.transport import Call, Steps, at
from pfa_client.wire import Wire

Image = bytes | str | Path
"""An encoded JPEG, PNG or WebP: its bytes, or the path of its file."""
Box = tuple[float, float, float, float]
"""x, y, width, height in px of the image."""


class PredictionCalls(Wire):
    """Prediction and retrieval."""

    @call
    def predict_pose(self, image: Image, *, model: str, box: Box | None = None, heatmaps: bool = False) -> Steps[Pose]:
        """The pose of the person in an image, or in a box of it."""
        wanted = {"model": model, "box": _box(box), "heatmaps": "true" if heatmaps else None}
        return reading.pose((yield from self._json(_of_image("/predict/pose", image, wanted))))

    @call
    def predict_pose_arrays(self, image: Image, *, model: str, box: Box | None = None) -> Steps[PoseArrays]:
        """The same with heatmaps, as numpy arrays. Raises: NumpyMissing, before anything is sent."""
        need_numpy()
        wanted = {"model": model, "box": _box(box)}
        call = _of_image("/predict/pose", image, wanted, accept="application/x-npz")
        return pose_arrays((yield from self._send(call)).content)

    @call
    def predict_pose_overlay(self, image: Image, *, model: str, box: Box | None = None) -> Steps[bytes]:
        """The image with its pose drawn over it, as PNG."""
        wanted = {"model": model, "box": _box(box)}
        return (yield from self._send(_of_image("/predict/pose", image, wanted, accept="image/png"))).content

    @call
    def predict_action(self, source: Image, *, model: str) -> Steps[Actions]:
        """The action in an image or in a short video."""
        return reading.actions((yield from self._json(_of_image("/predict/action", source, {"model": model}))))

    @call
    def features(self, image: Image, *, model: str) -> Steps[Features]:
        """The fc6 feature of an image."""
        return reading.features((yield from self._json(_of_image("/predict/features", image, {"model": model}))))

    @call
    def create_collection(self, name: str, *, model: str) -> Steps[Collection]:
        """Make an empty collection; `start_job("index", collection=name, ...)` fills it."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        document = {"name": name, "model": model}
        call = Call(method="POST", path="/collections", json=document, headers=headers, repeatable=True)
        return record(Collection, (yield from self._json(call)))

    @listing
    def collections(self) -> Pages[Collection]:
        """All collections."""
        return Pages(path="/collections", read=lambda plain: record(Collection, plain))

    @call
    def collection(self, name: str) -> Steps[Collection]:
        """One collection."""
        return record(Collection, (yield from self._get(at("collections", name))))

    @call
    def delete_collection(self, name: str) -> Steps[None]:
        """Delete a collection; what it was made from stays."""
        yield from self._delete(at("collections", name))

    @call
    def retrieve(self, image: Image, *, collection: str, k: int = 10, box: Box | None = None) -> Steps[list[Neighbour]]:
        """The k items of a collection whose poses are nearest to that of an image, or of a box of it."""
        call = _of_image("/retrieve/pose", image, {"collection": collection, "k": str(k), "box": _box(box)})
        return [record(Neighbour, plain) for plain in (yield from self._json(call))["items"]]


def _of_image(path: str, image: Image, params: Mapping[str, Any], *, accept: str = "application/json") -> Call:
    """A prediction changes nothing, so that it may be asked for again."""
    headers = {"Accept": accept}
    if isinstance(image, bytes):
        headers["Content-Type"] = "application/octet-stream"
        return Call(method="POST", path=path, params=params, headers=headers, content=image, repeatable=True)
    return Call(
        method="POST", path=path, params=params, headers=headers, parts=lambda: [part("file", image)], repeatable=True
    )


def _box(box: Box | None) -> str | None:
    return None if box is None else ",".join(f"{number:g}" for number in box)
