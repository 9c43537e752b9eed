"""Still images: bytes to RGB arrays and back."""

import io
import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from pfa_core.errors import ImageTooLarge, ImageTooSmall, ImageUnreadable

MIN_SIDE_PX = 16
"""Below this there is nothing to see."""

_MAGIC = ((b"\xff\xd8\xff", 0, "JPEG"), (b"\x89PNG\r\n\x1a\n", 0, "PNG"), (b"WEBP", 8, "WEBP"))
_DAMAGE = (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, EOFError, struct.error, zlib.error)
"""What Pillow's readers raise on files that are cut or garbled."""


def read_image(data: bytes, *, max_pixels: int, max_bytes: int | None = None) -> NDArray[np.uint8]:
    """Decode a JPEG, PNG or WebP image, upright.

    The size is read from the header and checked before anything is decoded. EXIF rotation is honoured. Grey and
    palette images become RGB, 16-bit ones lose their low byte, transparent ones are laid on white; of an animation
    the first frame counts.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ImageUnreadable: none of the three formats, or damaged.
        ImageTooLarge: over `max_bytes` or `max_pixels`.
        ImageTooSmall: a side below 16 px.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise ImageTooLarge(f"The image has {len(data)} bytes; at most {max_bytes} are allowed. Send a smaller one.")
    image = _open(data, max_pixels=max_pixels)
    width, height = image.size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The image is {width} x {height} px; at most {max_pixels} px in all are allowed. Send a smaller one."
        )
    if min(width, height) < MIN_SIDE_PX:
        raise ImageTooSmall(
            f"The image is {width} x {height} px; each side needs {MIN_SIDE_PX} px or more. Send a larger one."
        )
    try:
        image.load()
        pixels = np.array(_rgb(_upright(image)), np.uint8)
    except _DAMAGE as error:
        raise ImageUnreadable(f"The image is damaged: {error}. Send an intact copy.") from error
    return pixels


def _open(data: bytes, *, max_pixels: int) -> Image.Image:
    """The image with its header read and nothing decoded."""
    formats = [name for magic, offset, name in _MAGIC if data[offset : offset + len(magic)] == magic]
    if not formats:
        raise ImageUnreadable("The data are not an image of a known kind. Send JPEG, PNG or WebP.")
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageTooLarge(
            f"The image has more than {Image.MAX_IMAGE_PIXELS} px; at most {max_pixels} px in all are allowed."
            " Send a smaller one."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageUnreadable(f"The {formats[0]} image is damaged. Send an intact copy.") from error
    except _DAMAGE as error:
        raise ImageUnreadable(f"The {formats[0]} image is damaged: {error}. Send an intact copy.") from error


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; EXIF that does not parse says nothing about it."""
    try:
        return ImageOps.exif_transpose(image)
    except _DAMAGE:
        return image


def _rgb(image: Image.Image) -> Image.Image:
    """Any of Pillow's modes as 8-bit RGB."""
    if image.mode.startswith("I"):  # 16-bit grey: Pillow would clip it at 255
        return Image.fromarray((np.asarray(image, np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def write_jpeg(image: NDArray[np.uint8], *, quality: int = 95) -> bytes:
    """Encode (H, W, 3) uint8 RGB as JPEG with 4:2:0 chroma: video frames come with halved chroma anyway."""
    return _encode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def write_png(image: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) uint8 RGB or (H, W) uint8 grey as PNG."""
    return _encode(".png", image, [])


def _encode(extension: str, image: NDArray[np.uint8], parameters: list[int]) -> bytes:
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    ok, data = cv2.imencode(extension, swapped, parameters)
    assert ok, "OpenCV encodes every 8-bit image"
    return data.tobytes()
