"""A video with the skeletons that were found in it."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import InputError
from pfa_core.skeleton import JointSet
from pfa_core.skeleton_drawing import draw_skeleton
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video_source import VideoSource
from pfa_core.video_writer import VideoWriter

SHORT_SIDE_PX = 720
"""A larger video is drawn at this size."""
_REPORT_FRAMES = 32

Image = NDArray[np.uint8]


def write_overlay(
    path: Path,
    video: VideoSource,
    frames: Iterable[dict[str, Any]],
    joints: JointSet,
    *,
    frame_step: int,
    limits: DecodeLimits,
) -> Generator[int, None, None]:
    """Write a video of the frames that were looked at, with everybody's skeleton. Yields how many are written.

    Args:
        frames: as `video_poses.smoothed` gives them, at least one.
    """
    short_side_px = min(video.width_px, video.height_px)
    scaled_px = min(short_side_px, SHORT_SIDE_PX)
    shown = read_frames(
        video.path, limits=limits, short_side_px=None if scaled_px == short_side_px else scaled_px,
        every_frames=frame_step,
    )  # fmt: skip
    with closing(shown), VideoWriter(path, fps=video.fps / frame_step) as writer:
        for number, (frame, image) in enumerate(zip(frames, _undamaged(shown), strict=False), start=1):
            writer.add(_drawn(image, frame["people"], joints, scale=scaled_px / short_side_px))
            if number % _REPORT_FRAMES == 0:
                yield number
        writer.finish()


def _undamaged(shown: Iterator[Image]) -> Iterator[Image]:
    try:
        yield from shown
    except InputError:  # the job has told of it when it looked at the frames
        return


def _drawn(image: Image, people: Iterable[dict[str, Any]], joints: JointSet, *, scale: float) -> Image:
    for person in people:
        keypoints = person["keypoints"]
        visible = [seen for _, _, _, seen in keypoints]
        places = np.array([[x, y] for x, y, _, _ in keypoints], dtype=np.float64)
        image = draw_skeleton(
            image,
            joints,
            (places + 0.5) * scale - 0.5,
            shown=np.ones(len(joints), dtype=bool),
            visible=None if None in visible else np.array(visible, dtype=bool),
            side_px=person["side_px"] * scale,
        )
    return image
