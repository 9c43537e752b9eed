"""Small real videos and images, made on the spot."""

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image


def clip(
    path: Path, *, num_frames: int = 30, moving: bool = True, seed: int = 0, size: tuple[int, int] = (96, 128)
) -> Path:
    """Encode a textured square on a textured ground; it moves two px a frame, or not at all."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 120, (*size, 3), dtype=np.uint8)
    square = rng.integers(130, 255, (24, 24, 3), dtype=np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        for number in range(num_frames):
            picture = ground.copy()
            left = 4 + (2 * number % (size[1] - 32) if moving else 0)
            picture[20:44, left : left + 24] = square
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def cut_off(path: Path, target: Path) -> Path:
    """The first half of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: len(data) // 2])
    return target


def picture(*, size: tuple[int, int] = (120, 90), seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(H, W, 3) smooth random colours."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return np.asarray(small.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def encoded(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], kind: str = "PNG") -> bytes:
    """The file of an image."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header announces a giant."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"")) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
