"""Making a video: H.264 in MP4, or VP9 where PyAV comes without an H.264 encoder. Browsers play both.

Frames are made here, not by strangers, so that this needs no sandbox. The same frames may give other bytes another
time: libx264 chose otherwise in some of twenty runs, and what was decoded again differed by its coding noise.
"""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from numpy.typing import NDArray

Encoder = Literal["libx264", "libvpx-vp9"]
ENCODERS: tuple[Encoder, ...] = ("libx264", "libvpx-vp9")
"""Wanted in this order."""
_OPTIONS: dict[Encoder, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "23"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "33", "b": "0"},
}


def available_encoder() -> Encoder:
    """The first of ENCODERS that this PyAV has."""
    return next(name for name in ENCODERS if _exists(name))


def _exists(name: Encoder) -> bool:
    try:
        Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


class VideoWriter:
    """An MP4 that plays while it loads. Use as a context manager; what is not finished is not left."""

    def __init__(self, path: Path, *, fps: float, encoder: Encoder | None = None) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.part")
        chosen = encoder or available_encoder()
        self._container = av.open(str(self._partial), "w", format="mp4", options={"movflags": "faststart"})
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._container.add_stream(chosen, rate=rate, options=dict(_OPTIONS[chosen]))
        self._stream.pix_fmt = "yuv420p"
        self._size: tuple[int, ...] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
        self._partial.unlink(missing_ok=True)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """The next frame: (H, W, 3) uint8 RGB, all of one size; a line or column over an even number is cut off."""
        even = np.ascontiguousarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])
        if self._size is None:
            self._size = even.shape
            self._stream.height, self._stream.width = even.shape[:2]
        assert even.shape == self._size
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))

    def finish(self) -> None:
        """Put it in its place, whole. At least one frame was added."""
        self._container.mux(self._stream.encode())
        self._container.close()
        self._partial.replace(self._path)
