"""Images of every kind that is let in, and the ones that are not."""

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pfa_core.errors import ImageTooLarge, ImageTooSmall, ImageUnreadable
from pfa_core.images import read_image, write_jpeg, write_png

MAX_PIXELS = 1_000_000


def picture(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """Smooth colours: JPEG hardly changes them."""
    ys, xs = np.mgrid[:height, :width]
    return np.stack([xs * 4, ys * 6, (xs + ys) * 2], axis=2).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def test_png_is_exact_both_ways() -> None:
    np.testing.assert_array_equal(read_image(write_png(picture()), max_pixels=MAX_PIXELS), picture())


def test_grey_png_becomes_rgb() -> None:
    grey = picture()[..., 0]
    np.testing.assert_array_equal(read_image(write_png(grey), max_pixels=MAX_PIXELS), np.dstack([grey] * 3))


@pytest.mark.parametrize("data", [write_jpeg(picture()), saved(Image.fromarray(picture()), "WEBP", quality=95)])
def test_lossy_kinds_come_close(data: bytes) -> None:
    found = read_image(data, max_pixels=MAX_PIXELS)
    assert np.abs(found.astype(int) - picture()).mean() < 3


def test_jpeg_is_red_where_it_was_red() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    assert Image.open(io.BytesIO(write_jpeg(red))).getpixel((16, 16))[0] > 180  # type: ignore[index]  # an RGB image


def test_exif_rotation_is_honoured() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    data = saved(Image.fromarray(picture()), "PNG", exif=exif)
    np.testing.assert_array_equal(read_image(data, max_pixels=MAX_PIXELS), np.rot90(picture(), k=-1))


def test_sixteen_bits_lose_the_low_byte() -> None:
    deep = (np.arange(32 * 32, dtype=np.uint16) * 64).reshape(32, 32)
    found = read_image(saved(Image.fromarray(deep), "PNG"), max_pixels=MAX_PIXELS)
    np.testing.assert_array_equal(found[..., 1], (deep >> 8).astype(np.uint8))


def test_transparency_is_laid_on_white() -> None:
    layer = np.dstack([picture(), np.full((24, 40), 255, np.uint8)])
    layer[:12, :, 3] = 0
    found = read_image(saved(Image.fromarray(layer), "PNG"), max_pixels=MAX_PIXELS)
    assert (found[:12] == 255).all()
    np.testing.assert_array_equal(found[12:], picture()[12:])


def test_palette_and_cmyk() -> None:
    flat = np.full((20, 20, 3), (10, 200, 30), np.uint8)
    palette = saved(Image.fromarray(flat).convert("P", palette=Image.Palette.ADAPTIVE), "PNG")
    cmyk = saved(Image.fromarray(flat).convert("CMYK"), "JPEG", quality=95)
    for data in (palette, cmyk):
        assert np.abs(read_image(data, max_pixels=MAX_PIXELS).astype(int) - flat).max() <= 6


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"%PDF-1.7", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_image(data: bytes) -> None:
    with pytest.raises(ImageUnreadable):
        read_image(data, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_cut_image_is_refused_and_a_garbled_one_never_crashes(kind: str) -> None:
    data = saved(Image.fromarray(picture(200, 200)), kind)
    with pytest.raises(ImageUnreadable):
        read_image(data[: len(data) // 2], max_pixels=MAX_PIXELS)
    rng = np.random.default_rng(1)
    for _ in range(50):
        garbled = bytearray(data)
        for at in rng.integers(0, len(data), 8):
            garbled[at] ^= int(rng.integers(1, 256))
        try:
            assert read_image(bytes(garbled), max_pixels=MAX_PIXELS).ndim == 3
        except (ImageUnreadable, ImageTooLarge, ImageTooSmall):
            continue


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises so much, and whose data are next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [1001, 10_000, 60_000])
def test_size_is_judged_by_the_header(side: int) -> None:
    with pytest.raises(ImageTooLarge, match=f"at most {MAX_PIXELS} px in all are allowed"):
        read_image(bomb(side, side), max_pixels=MAX_PIXELS)


def test_caps() -> None:
    data = write_png(picture())
    with pytest.raises(ImageTooLarge, match="bytes"):
        read_image(data, max_pixels=MAX_PIXELS, max_bytes=len(data) - 1)
    with pytest.raises(ImageTooSmall):
        read_image(write_png(picture(15, 100)), max_pixels=MAX_PIXELS)
    assert read_image(write_png(picture(16, 16)), max_pixels=256).shape == (16, 16, 3)
