"""Fill a gallery with the fc6 features of images and of video frames.

Axes: D length of a feature.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pfa_core.errors import DatasetUnsuitable, InputError
from pfa_core.images import read_image
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


def fill_gallery(
    sources: Sequence[GallerySource],
    extractor: FeatureExtractor,
    *,
    every_frames: int,
    limits: DecodeLimits | None = None,
) -> Generator[Progress, None, GalleryIndex]:
    """Make a gallery of every image and of one frame in `every_frames` of every video.

    Raises:
        DatasetUnsuitable: there is not one image or frame.
        InputError: a file does not read; the message names it.
    """
    caps = limits or DecodeLimits()
    short_side_px = extractor.config.net.crop_px
    features: list[NDArray[np.float32]] = []
    items: list[GalleryItem] = []
    thumbnails: list[bytes] = []
    for number, source in enumerate(sources, start=1):
        pictures = _pictures(source, every_frames=every_frames, short_side_px=short_side_px, limits=caps)
        with closing(pictures):
            rows = []
            for item, picture in _named(pictures, source):
                rows.append(extractor.prepare(picture, box=source.box).rows_u8)
                items.append(item)
                thumbnails.append(thumbnail(picture))
                if len(rows) == _BATCH:
                    features.append(extractor.forward(torch.cat(rows)).numpy())
                    rows = []
            if rows:
                features.append(extractor.forward(torch.cat(rows)).numpy())
        yield Progress(phase="features", step=number, total=len(sources), metrics={"num_items": len(items)})
    if not items:
        raise DatasetUnsuitable("There is not one image or video frame to put into the gallery.")
    return GalleryIndex.build(np.concatenate(features), items, thumbnails=thumbnails)


Pictures = Generator[tuple[GalleryItem, NDArray[np.uint8]], None, None]


def _pictures(source: GallerySource, *, every_frames: int, short_side_px: int, limits: DecodeLimits) -> Pictures:
    if source.still:
        image = read_image(source.path.read_bytes(), max_pixels=limits.max_pixels)
        yield GalleryItem(source=source.source, name=source.name), image
        return
    fps = probe(source.path, limits=limits).fps if source.fps is None else source.fps
    frames = read_frames(source.path, limits=limits, short_side_px=short_side_px, every_frames=every_frames)
    with closing(frames):
        for number, frame in enumerate(frames):
            index = number * every_frames
            time_s = index / fps if fps > 0 else None
            yield GalleryItem(source=source.source, name=source.name, frame=index, time_s=time_s), frame


def _named(pictures: Pictures, source: GallerySource) -> Iterator[tuple[GalleryItem, NDArray[np.uint8]]]:
    """The same; errors name the file."""
    try:
        yield from pictures
    except InputError as error:
        error.args = (f"{source.name}: {error}",)
        raise
    except OSError as error:
        raise DatasetUnsuitable(f"{source.name}: the file cannot be opened ({error.strerror}).") from error
