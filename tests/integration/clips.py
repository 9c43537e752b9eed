"""Small videos, encoded in the test."""

import io
from pathlib import Path

import av
import numpy as np


def moving_clip(*, num_frames: int, size: tuple[int, int] = (64, 80), seed: int = 0) -> bytes:
    """An MP4 in which a random texture moves by (2, 1) px a frame. `size`: (H, W)."""
    height, width = size
    rng = np.random.default_rng(seed)
    texture = rng.integers(0, 255, (height // 4 + num_frames, width // 4 + num_frames, 3), dtype=np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 2_000_000
        for n in range(num_frames):
            picture = np.ascontiguousarray(texture[n : n + height, 2 * n : 2 * n + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def write_clip(path: Path, *, num_frames: int, size: tuple[int, int] = (64, 80), seed: int = 0) -> Path:
    """`moving_clip` in a file."""
    path.write_bytes(moving_clip(num_frames=num_frames, size=size, seed=seed))
    return path
