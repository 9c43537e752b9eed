"""Calls that predict from an image, and collections of poses to find neighbours in."""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pfa_client import reading
from pfa_client.answers import Actions, Collection, Features, ImagePose, Item, Neighbour, Pose
from pfa_client.arrays import PoseArrays, need_numpy, pose_arrays
from pfa_client.files import part
from pfa_client.methods import call, listing
from pfa_client.pages import Pages
from pfa_client.records import record
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
    def predict_poses(
        self, images: Sequence[str | Path], *, model: str, boxes: Sequence[Box] = (), detect: str | None = None
    ) -> Steps[list[ImagePose]]:
        """The poses in several images, in their order: a pose or a problem each. `detect="hog"` finds the people."""
        wanted = {"model": model, "box": ";".join(filter(None, map(_box, boxes))) or None, "detect": detect}
        call = Call(
            method="POST",
            path="/predict/pose",
            params=wanted,
            parts=lambda: [part("files", image) for image in images],
            repeatable=True,
        )
        return [reading.image_pose(plain) for plain in (yield from self._json(call))["items"]]

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
    def predict_action(
        self, source: Image, *, model: str, top: int | None = None, protocol: str | None = None
    ) -> Steps[Actions]:
        """The action in an image or in a short video: all labels or the `top` likeliest; `protocol="fast"` is quick."""
        wanted = {"model": model, "top": top, "protocol": protocol}
        return reading.actions((yield from self._json(_of_image("/predict/action", source, wanted))))

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

    @listing
    def items(
        self, name: str, *, sources: Sequence[str] = (), labels: Sequence[str] = (), datasets: Sequence[str] = ()
    ) -> Pages[Item]:
        """The items of a collection by id; of those that name any, only those that have one of the values."""
        return Pages(
            path=at("collections", name, "items"),
            read=lambda plain: record(Item, plain),
            wanted=_chosen(sources, labels, datasets),
        )

    @call
    def thumbnail(self, name: str, item: int) -> Steps[bytes]:
        """The thumbnail of an item, a JPEG."""
        path = at("collections", name, "items", item, "thumbnail.jpg")
        return (yield from self._send(Call(method="GET", path=path, repeatable=True))).content

    @call
    def delete_item(self, name: str, item: int) -> Steps[None]:
        """Delete an item of a collection."""
        yield from self._delete(at("collections", name, "items", item))

    @call
    def delete_items(
        self, name: str, *, sources: Sequence[str] = (), labels: Sequence[str] = (), datasets: Sequence[str] = ()
    ) -> Steps[int]:
        """Delete the items that have one of the values in every field that names any; how many there were."""
        params = _chosen(sources, labels, datasets)
        call = Call(method="DELETE", path=at("collections", name, "items"), params=params, repeatable=True)
        return int((yield from self._json(call))["deleted"])

    @call
    def retrieve(
        self,
        image: Image | None = None,
        *,
        collection: str,
        k: int = 10,
        box: Box | None = None,
        item: int | None = None,
        video: str | None = None,
        frame: int | None = None,
        time_s: float | None = None,
        feature: Sequence[float] | None = None,
        sources: Sequence[str] = (),
        labels: Sequence[str] = (),
        datasets: Sequence[str] = (),
        thumbnails: bool = True,
    ) -> Steps[list[Neighbour]]:
        """The k items of a collection whose poses are nearest to one, of those that the last lists let through.

        Nearest to that of an image, of an item of the collection, of an uploaded video at a `frame` or at `time_s`, or
        to an fc6 feature; with a box, to that of the person in a box of the image or frame.
        """
        if image is None:
            asked = {
                "collection": collection, "k": k, "box": box, "item": item, "video": video, "frame": frame,
                "time_s": time_s, "feature": None if feature is None else list(feature), "sources": list(sources),
                "labels": list(labels), "datasets": list(datasets), "thumbnails": thumbnails,
            }  # fmt: skip
            given = {name: value for name, value in asked.items() if value is not None}
            call = Call(method="POST", path="/retrieve/pose", json=given, repeatable=True)
        else:
            wanted = {"collection": collection, "k": str(k), "box": _box(box), **_chosen(sources, labels, datasets)}
            call = _of_image("/retrieve/pose", image, {**wanted, "thumbnails": str(thumbnails).lower()})
        return [record(Neighbour, plain) for plain in (yield from self._json(call))["items"]]


def _chosen(sources: Sequence[str], labels: Sequence[str], datasets: Sequence[str]) -> dict[str, str | None]:
    given = {"sources": sources, "labels": labels, "datasets": datasets}
    return {name: ",".join(values) or None for name, values in given.items()}


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
