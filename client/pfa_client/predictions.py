"""Calls that predict from an image, and collections of poses to find neighbours in."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pfa_client import reading
from pfa_client.files import part
from pfa_client.records import Actions, Collection, Features, ImagePose, Item, Neighbour, Pose, record
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

    def items(
        self, name: str, *, sources: Sequence[str] = (), labels: Sequence[str] = (), datasets: Sequence[str] = ()
    ) -> Iterator[Item]:
        """The items of a collection by id; of those that name any, only those that have one of the values."""
        chosen = _chosen(sources, labels, datasets)
        return (record(Item, plain) for plain in self._pages(f"/collections/{name}/items", **chosen))

    def thumbnail(self, name: str, item: int) -> bytes:
        """The thumbnail of an item, a JPEG."""
        path = f"/collections/{name}/items/{item}/thumbnail.jpg"
        return self._send(Call(method="GET", path=path, repeatable=True)).content

    def delete_item(self, name: str, item: int) -> None:
        """Delete an item of a collection."""
        self._delete(f"/collections/{name}/items/{item}")

    def delete_items(
        self, name: str, *, sources: Sequence[str] = (), labels: Sequence[str] = (), datasets: Sequence[str] = ()
    ) -> int:
        """Delete the items that have one of the values in every field that names any; how many there were."""
        path = f"/collections/{name}/items"
        params = _chosen(sources, labels, datasets)
        return int(self._send(Call(method="DELETE", path=path, params=params, repeatable=True)).json()["deleted"])

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
    ) -> list[Neighbour]:
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
        return [record(Neighbour, plain) for plain in self._send(call).json()["items"]]


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
