"""From what was sent to what networks take in. Everything here runs in threads, beside the event loop."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from api.inference.outcomes import Image
from pfa_core.clip_sample import ClipSample, read_sample
from pfa_core.clips import LabelledClip
from pfa_core.crops import PersonCrop
from pfa_core.errors import VideoTooShort
from pfa_core.images import read_image, write_png
from pfa_core.people import Box
from pfa_core.person_finder import find_people
from pfa_core.predict import ActionPredictor, FeatureExtractor, PosePredictor, Prepared
from pfa_core.video.decode import read_from
from pfa_core.video.limits import DecodeLimits
from pfa_store.disk import disk_errors
from pfa_store.settings import Settings

ReadFile = Callable[[], bytes]
"""Gives the bytes of an encoded image."""

CLIP_TIMEOUT_S = 60.0
"""Decoding a clip may not keep its sender waiting for longer."""


def image_of(read: ReadFile, *, settings: Settings) -> Image:
    """Decode an image.

    Raises:
        ImageUnreadable, ImageTooLarge, ImageTooSmall: it cannot be used.
    """
    return read_image(read(), max_pixels=settings.max_image_pixels, max_bytes=settings.max_image_bytes)


def prepared_image(
    predictor: PosePredictor | FeatureExtractor, read: ReadFile, *, box: Box | None, settings: Settings
) -> tuple[Image, Prepared[PersonCrop]]:
    """Decode an image and cut the crop that the network sees.

    Raises:
        BoxOutsideImage: the box does not touch the image; as `image_of` otherwise.
    """
    image = image_of(read, settings=settings)
    return image, predictor.prepare(image, box=box)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOf:
    """An image that was sent, and whose poses in it are wanted."""

    read: ReadFile
    file: str
    boxes: Sequence[Box]
    """Empty: the whole image, or those whom `detect` finds."""
    detect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPeople:
    """An image, and the crops of the people in it."""

    image: Image
    people: Sequence[tuple[Box | None, float | None, Prepared[PersonCrop]]]
    """Box, score of the detector, crop."""


def prepared_people(predictor: PosePredictor, asked: ImageOf, *, settings: Settings) -> PreparedPeople:
    """Decode an image and cut the crops of its people, whom the detector finds where that is asked for.

    Raises:
        BoxOutsideImage: a box does not touch the image; as `image_of` otherwise.
    """
    image = image_of(asked.read, settings=settings)
    who: Sequence[tuple[Box | None, float | None]]
    if asked.detect:
        who = [(found.box, found.score) for found in find_people(image)]
    else:
        who = [(box, None) for box in asked.boxes] or [(None, None)]
    people = [(box, score, predictor.prepare(image, box=box)) for box, score in who]
    return PreparedPeople(image=image, people=people)


def image_sample(predictor: ActionPredictor, read: ReadFile, *, settings: Settings) -> ClipSample:
    """What an action model looks at in an image. Raises: as `image_of`."""
    return predictor.sample(image_of(read, settings=settings))


def clip_sample(
    predictor: ActionPredictor, content: Path | bytes, *, name: str, settings: Settings, scratch: Path
) -> ClipSample:
    """What an action model looks at in a video, its flow measured; only the sandbox opens the file.

    Args:
        content: a small video that stayed in memory is put under `scratch` for the sandbox.

    Raises:
        VideoUnsupported, VideoUnreadable, VideoTooLarge, DecodeTimeout: it cannot be used, or not at once.
    """
    if isinstance(content, bytes):
        with disk_errors(), TemporaryDirectory(prefix="clip-", dir=scratch) as folder:
            path = Path(folder) / "clip"
            path.write_bytes(content)
            return clip_sample(predictor, path, name=name, settings=settings, scratch=scratch)
    clip = LabelledClip(name=name, label="", path=content)
    return read_sample(clip, predictor.settings, limits=clip_limits(settings))


def clip_limits(settings: Settings) -> DecodeLimits:
    """The caps on a clip that is answered at once."""
    return DecodeLimits(
        max_bytes=settings.max_video_bytes,
        max_pixels=settings.max_video_pixels,
        max_frames=settings.max_clip_frames,
        max_duration_s=settings.max_video_s,
        timeout_s=min(settings.decode_timeout_s, CLIP_TIMEOUT_S),
        memory_bytes=settings.decode_memory_bytes,
    )


def frame_png(path: Path, frame: int, *, short_side_px: int, limits: DecodeLimits) -> bytes:
    """A frame of a video as a lossless image; only the sandbox opens the file.

    Raises:
        VideoTooShort: it has no such frame.
        VideoUnsupported, VideoUnreadable, VideoTooLarge, DecodeTimeout: it cannot be used, or not at once.
    """
    soon = replace(limits, timeout_s=min(limits.timeout_s, CLIP_TIMEOUT_S))
    with closing(read_from(path, frame, limits=soon, short_side_px=short_side_px)) as frames:
        for found in frames:
            return write_png(found.pixels)
    raise VideoTooShort(num_frames=frame, needed=frame + 1)
