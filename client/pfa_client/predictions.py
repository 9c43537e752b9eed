"""Calls that predict from an image, and collections of poses to find neighbours in."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pfa_client import reading
from pfa_client.files import part
from pfa_client.records import Actions, Collection, Features, ImagePose, Neighbour, Pose, record
from pfa_client.transport import Call
from pfa_client.wire import Wire

Image = bytes | str | Path
"""An encoded JPEG, PNG or WebP: its bytes, or the path of its file."""
Box = tuple[float, float, float, float]
"""x, y, width, height in px of the image."""


class PredictionCalls(Wire):
    """Prediction and retrieval."""

    def predict_pose(self, image: Image, *, model: str, box: Box | None = None, heatmaps: bool = False) -> Pose:
        """The pose of the person in an image, or in a box of it."""
        wanted = {"model": model, "box": _box(box), "heatmaps": "true" if heatmaps else None}
        return reading.pose(self._send(_of_image("/predict/pose", image, wanted)).json())

    def predict_poses(
        self, images: Sequence[str | Path], *, model: str, boxes: Sequence[Box] = (), detect: str | None = None
    ) -> list[ImagePose]:
        """The poses in several images, in their order: a pose or a problem each. `detect="hog"` finds the people."""
        wanted = {"model": model, "box": ";".join(filter(None, map(_box, boxes))) or None, "detect": detect}
        call = Call(
            method="POST",
            path="/predict/pose",
            params=wanted,
            parts=lambda: [part("files", image) for image in images],
            repeatable=True,
        )
        return [reading.image_pose(plain) for plain in self._send(call).json()["items"]]

    def predict_pose_overlay(self, image: Image, *, model: str, box: Box | None = None) -> bytes:
        """The image with its pose drawn over it, as PNG."""
        wanted = {"model": model, "box": _box(box)}
        return self._send(_of_image("/predict/pose", image, wanted, accept="image/png")).content

    def predict_action(
        self, source: Image, *, model: str, top: int | None = None, protocol: str | None = None
    ) -> Actions:
        """The action in an image or in a short video: all labels or the `top` likeliest; `protocol="fast"` is quick."""
        wanted = {"model": model, "top": top, "protocol": protocol}
        return reading.actions(self._send(_of_image("/predict/action", source, wanted)).json())

    def features(self, image: Image, *, model: str) -> Features:
        """The fc6 feature of an image."""
        return reading.features(self._send(_of_image("/predict/features", image, {"model": model})).json())

    def create_collection(self, name: str, *, model: str) -> Collection:
        """Make an empty collection; `start_job("index", collection=name, ...)` fills it."""
        call = Call(method="POST", path="/collections", json={"name": name, "model": model})
        return record(Collection, self._send(call).json())

    def collections(self) -> Iterator[Collection]:
        """All collections."""
        return (record(Collection, plain) for plain in self._pages("/collections"))

    def collection(self, name: str) -> Collection:
        """One collection."""
        return record(Collection, self._get(f"/collections/{name}"))

    def delete_collection(self, name: str) -> None:
        """Delete a collection; what it was made from stays."""
        self._delete(f"/collections/{name}")

    def retrieve(self, image: Image, *, collection: str, k: int = 10, box: Box | None = None) -> list[Neighbour]:
        """The k items of a collection whose poses are nearest to that of an image, or of a box of it."""
        call = _of_image("/retrieve/pose", image, {"collection": collection, "k": str(k), "box": _box(box)})
        return [record(Neighbour, plain) for plain in self._send(call).json()["items"]]


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
