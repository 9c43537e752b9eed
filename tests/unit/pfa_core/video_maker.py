"""Real encoded videos for tests, made on the spot."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Frames = Sequence[NDArray[np.uint8]]


def moving_square(
    *, num_frames: int, size: tuple[int, int], step_px: int = 2, seed: int = 0
) -> list[NDArray[np.uint8]]:
    """(H, W, 3) uint8 frames: a bright square that moves right over a fixed smooth background."""
    height, width = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 120, (height // 8 + 2, width // 8 + 2, 3))
    background = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width].astype(np.uint8)
    frames = []
    for t in range(num_frames):
        frame = background.copy()
        left = (4 + step_px * t) % max(1, width - 20)
        frame[height // 4 : height // 4 + height // 3, left : left + 16] = (230, 210, 60)
        frames.append(frame)
    return frames


def write_lossless(path: Path, frames: Frames, *, fps: int = 25) -> Path:
    """FFV1 in RGB: what is decoded equals what was given."""
    return _write(path, frames, codec="ffv1", pixel_format="bgr0", fps=fps)


def write_h264(
    path: Path,
    frames: Frames,
    *,
    fps: int = 25,
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """H.264; `rotation_deg` is the clockwise turn that a player must apply, `pixel_aspect` width to height.

    `options`: of the encoder, such as how far key frames are apart.
    """
    return _write(
        path,
        frames,
        codec="libx264",
        pixel_format="yuv420p",
        fps=fps,
        rotation_deg=rotation_deg,
        pixel_aspect=pixel_aspect,
        options=options,
    )


def write_mpeg4(path: Path, frames: Frames, *, fps: int = 25, options: Mapping[str, str] | None = None) -> Path:
    """MPEG-4 part 2, as in UCF101."""
    return _write(path, frames, codec="mpeg4", pixel_format="yuv420p", fps=fps, options=options)


def write_vp9(path: Path, frames: Frames, *, fps: int = 25) -> Path:
    """VP9, as in WebM."""
    return _write(path, frames, codec="libvpx-vp9", pixel_format="yuv420p", fps=fps)


def write_at(path: Path, frames: Frames, times_ms: Sequence[int], *, key_frames_apart: int = 250) -> Path:
    """H.264 with a variable frame rate: each frame at its own time."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0", "g": str(key_frames_apart)})
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for frame, time_ms in zip(frames, times_ms, strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def _write(
    path: Path,
    frames: Frames,
    *,
    codec: str,
    pixel_format: str,
    fps: int,
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps), options=dict(options or {}))
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation_deg:
            stream.set_display_rotation(-rotation_deg)  # FFmpeg counts the other way round
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path
