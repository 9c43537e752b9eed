"""Fill a gallery with the fc6 features of images and of video frames.

Axes: D length of a feature.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pfa_core.errors import ConfigInvalid, DatasetUnsuitable, ImageUnreadable, InputError, VideoUnreadable
from pfa_core.images import read_image
from pfa_core.left_out import LeftOut, facts, opening, reasons
from pfa_core.people import Box
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress
from pfa_core.retrieval import GalleryIndex, GalleryItem, thumbnail
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

_BATCH = 32


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """A filled gallery."""

    index: GalleryIndex
    left_out: list[LeftOut]
    """Videos and images that do not read, and person boxes that lie outside their image."""


def fill_gallery(
    sources: Sequence[GallerySource],
    extractor: FeatureExtractor,
    *,
    every_frames: int,
    limits: DecodeLimits | None = None,
) -> Generator[Progress, None, Gallery]:
    """Make a gallery of every image and of one frame in `every_frames` of every video.

    A video that is damaged somewhere is left out as a whole.

    Raises:
        DatasetUnsuitable: there is not one image or frame; the message has the first few reasons.
        ConfigInvalid: `every_frames` is below 1.
    """
    if every_frames < 1:
        raise ConfigInvalid(f"every_frames must be >= 1, got {every_frames}")
    filled = _Rows()
    left_out: list[LeftOut] = []
    for number, source in enumerate(sources, start=1):
        told = _told(number - 1, sources, filled)
        try:
            rows = yield from _rows_of(
                source, extractor, every_frames=every_frames, limits=limits or DecodeLimits(), told=told
            )
        except InputError as error:
            left_out.append(LeftOut.of(error, name=source.name, path=source.path))
        else:
            filled.extend(rows)
        yield _told(number, sources, filled)
    if not filled.items:
        raise DatasetUnsuitable(
            f"There is not one image or video frame to put into the gallery.{reasons(left_out)}",
            left_out=facts(left_out),
        )
    index = GalleryIndex.build(np.concatenate(filled.features), filled.items, thumbnails=filled.thumbnails)
    return Gallery(index=index, left_out=left_out)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What a gallery is built of."""

    items: list[GalleryItem] = field(default_factory=list)
    thumbnails: list[bytes] = field(default_factory=list)
    features: list[NDArray[np.float32]] = field(default_factory=list)
    """(n, D) each; together as many rows as there are items."""

    def extend(self, more: "_Rows") -> None:
        self.items.extend(more.items)
        self.thumbnails.extend(more.thumbnails)
        self.features.extend(more.features)


def _told(number: int, sources: Sequence[GallerySource], filled: _Rows) -> Progress:
    """After so many sources."""
    return Progress(phase="features", step=number, total=len(sources), metrics={"num_items": len(filled.items)})


def _rows_of(
    source: GallerySource, extractor: FeatureExtractor, *, every_frames: int, limits: DecodeLimits, told: Progress
) -> Generator[Progress, None, _Rows]:
    """All pictures of one source. After every batch it yields `told` with so many items more. Raises: InputError."""
    rows = _Rows()
    waiting: list[torch.Tensor] = []
    short_side_px = extractor.config.net.crop_px
    with closing(_pictures(source, every_frames=every_frames, short_side_px=short_side_px, limits=limits)) as pictures:
        for item, picture in pictures:
            waiting.append(extractor.prepare(picture, box=source.box).rows_u8)
            rows.items.append(item)
            rows.thumbnails.append(thumbnail(picture))
            if len(waiting) == _BATCH:
                rows.features.append(extractor.forward(torch.cat(waiting)).numpy())
                waiting.clear()
                yield replace(told, metrics={"num_items": told.metrics["num_items"] + len(rows.items)})
    if waiting:
        rows.features.append(extractor.forward(torch.cat(waiting)).numpy())
    return rows


Pictures = Generator[tuple[GalleryItem, NDArray[np.uint8]], None, None]


def _pictures(source: GallerySource, *, every_frames: int, short_side_px: int, limits: DecodeLimits) -> Pictures:
    if source.still:
        with opening(ImageUnreadable):
            image = read_image(source.path.read_bytes(), max_pixels=limits.max_pixels)
        yield GalleryItem(source=source.source, name=source.name), image
        return
    with opening(VideoUnreadable):
        fps = probe(source.path, limits=limits).fps if source.fps is None else source.fps
        frames = read_frames(source.path, limits=limits, short_side_px=short_side_px, every_frames=every_frames)
    with closing(frames):
        for number, frame in enumerate(frames):
            index = number * every_frames
            time_s = index / fps if fps > 0 else None
            yield GalleryItem(source=source.source, name=source.name, frame=index, time_s=time_s), frame
