"""Fill a segment of a gallery with the fc6 features of images and of video frames.

Work goes from mark to mark: a video, or a few images, at a time. Whoever goes on after the last mark writes what would
have been written without an interruption, byte for byte.

Axes: D length of a feature.
"""

from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pfa_core.errors import ConfigInvalid, DatasetUnsuitable, ImageUnreadable, InputError, VideoUnreadable
from pfa_core.gallery_item import GalleryItem, thumbnail
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.images import read_image
from pfa_core.left_out import LeftOut, facts, opening, reasons
from pfa_core.people import Box
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

_BATCH = 32
Pictures = Generator[tuple[GalleryItem, NDArray[np.uint8]], None, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GallerySource:
    """A video, or an image, whose poses go into a gallery."""

    source: str
    """Id of the video, or sha256 or name of the image."""
    name: str
    path: Path
    still: bool = False
    """An image, not a video."""
    fps: float | None = None
    """Of a video, where known; saves a look at it."""
    box: Box | None = None
    """Person box of an image; None: the whole image."""
    label: str | None = None
    dataset: str | None = None


def fill_segment(
    writer: SegmentWriter,
    sources: Sequence[GallerySource],
    extractor: FeatureExtractor,
    *,
    every_frames: int,
    limits: DecodeLimits | None = None,
    known: Collection[tuple[object, ...]] = (),
) -> Generator[Progress, None, list[LeftOut]]:
    """Append every image, and one frame in `every_frames` of every video, to a segment, from its last mark on.

    A video that is damaged somewhere is left out as a whole.

    Args:
        known: `GalleryItem.key` of items that are there already; they are not added again.

    Returns:
        Videos and images that do not read, and person boxes that lie outside their image.

    Raises:
        DatasetUnsuitable: there is not one image or frame; the message has the first few reasons.
        ConfigInvalid: `every_frames` is below 1.
    """
    if every_frames < 1:
        raise ConfigInvalid(f"every_frames must be >= 1, got {every_frames}")
    for group in _groups(sources)[len(writer.notes) :]:
        rows = _Rows()
        told = Progress(
            phase="features", step=group[0], total=len(sources), metrics={"num_items": float(writer.num_items)}
        )
        looks = _Looks(extractor, rows, every_frames=every_frames, limits=limits or DecodeLimits())
        with closing(looks.at([sources[place] for place in group])) as batches:
            for _ in batches:
                yield replace(told, metrics={"num_items": float(writer.num_items + len(rows.items))})
        fresh = [n for n, item in enumerate(rows.items) if item.key not in known]
        if fresh:
            features = np.concatenate(rows.features)[fresh]
            writer.add(features, [rows.items[n] for n in fresh], [rows.thumbnails[n] for n in fresh])
        writer.mark({"num_found": len(rows.items), "left_out": [_plain(one) for one in rows.left_out]})
        yield replace(told, step=group[-1] + 1, metrics={"num_items": float(writer.num_items)})
    left_out = [_left_out(one) for note in writer.notes for one in note["left_out"]]
    if not any(note["num_found"] for note in writer.notes):
        raise DatasetUnsuitable(
            f"There is not one image or video frame to put into the gallery.{reasons(left_out)}",
            left_out=facts(left_out),
        )
    return left_out


def _groups(sources: Sequence[GallerySource]) -> list[list[int]]:
    """Places of sources that are done between two marks: a video, or images that follow one another."""
    groups: list[list[int]] = []
    for place, source in enumerate(sources):
        goes_on = groups and source.still and sources[place - 1].still and len(groups[-1]) < _BATCH
        if goes_on:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _plain(one: LeftOut) -> dict[str, Any]:
    return {**asdict(one), "path": None if one.path is None else str(one.path)}


def _left_out(plain: dict[str, Any]) -> LeftOut:
    return LeftOut(**{**plain, "path": None if plain["path"] is None else Path(plain["path"])})


@dataclass(slots=True)
class _Rows:
    """What was found between two marks."""

    items: list[GalleryItem] = field(default_factory=list)
    thumbnails: list[bytes] = field(default_factory=list)
    features: list[NDArray[np.float32]] = field(default_factory=list)
    """(n, D) each; together as many rows as there are items."""
    left_out: list[LeftOut] = field(default_factory=list)


class _Looks:
    """Looks at sources and notes what it finds."""

    def __init__(self, extractor: FeatureExtractor, rows: _Rows, *, every_frames: int, limits: DecodeLimits) -> None:
        self._extractor = extractor
        self._rows = rows
        self._every_frames = every_frames
        self._limits = limits
        self._waiting: list[torch.Tensor] = []

    def at(self, sources: Sequence[GallerySource]) -> Generator[None, None, None]:
        """All pictures of some sources; yields after every batch."""
        for source in sources:
            before = len(self._rows.items)
            try:
                with closing(self._pictures(source)) as pictures:
                    for item, picture in pictures:
                        self._waiting.append(self._extractor.prepare(picture, box=source.box).rows_u8)
                        self._rows.items.append(item)
                        self._rows.thumbnails.append(thumbnail(picture))
                        if len(self._waiting) == _BATCH:
                            self._look()
                            yield
            except InputError as error:
                self._forget(before)
                self._rows.left_out.append(LeftOut.of(error, name=source.name, path=source.path))
        self._look()

    def _look(self) -> None:
        if self._waiting:
            self._rows.features.append(self._extractor.forward(torch.cat(self._waiting)).numpy())
            self._waiting.clear()

    def _forget(self, num_items: int) -> None:
        """Keep the first items only: a source that turns out damaged is left out whole."""
        rows = self._rows
        del rows.items[num_items:], rows.thumbnails[num_items:]
        looked_at = sum(map(len, rows.features))
        if looked_at > num_items:
            rows.features[:] = [np.concatenate(rows.features)[:num_items]]
        del self._waiting[max(0, num_items - looked_at) :]

    def _pictures(self, source: GallerySource) -> Pictures:
        item = GalleryItem(
            source=source.source, name=source.name, label=source.label, dataset=source.dataset, box=source.box
        )
        limits, every_frames = self._limits, self._every_frames
        if source.still:
            with opening(ImageUnreadable):
                image = read_image(source.path.read_bytes(), max_pixels=limits.max_pixels)
            yield item, image
            return
        with opening(VideoUnreadable):
            fps = probe(source.path, limits=limits).fps if source.fps is None else source.fps
            side = self._extractor.config.net.crop_px
            frames = read_frames(source.path, limits=limits, short_side_px=side, every_frames=every_frames)
        with closing(frames):
            for number, frame in enumerate(frames):
                index = number * every_frames
                yield replace(item, frame=index, time_s=index / fps if fps > 0 else None), frame
