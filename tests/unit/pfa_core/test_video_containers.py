"""Which first bytes are let through, and to which demuxer."""

import pytest

from pfa_core.errors import VideoUnsupported
from pfa_core.video.containers import Container, sniff


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"\0\0\0\x20ftypisom", Container("mp4", "mov")),
        (b"\0\0\0\x14ftypqt  ", Container("mov", "mov")),
        (b"\0\0\0\x08wide", Container("mov", "mov")),
        (b"\0\0\x10\0moov", Container("mov", "mov")),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", Container("mkv", "matroska")),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", Container("webm", "matroska")),
        (b"RIFF\x10\0\0\0AVI LIST", Container("avi", "avi")),
    ],
)
def test_known_containers(head: bytes, container: Container) -> None:
    assert sniff(head) == container


@pytest.mark.parametrize(
    "head",
    [
        b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"just some text, called holiday.mp4",
        b"\x1a",
    ],
)
def test_everything_else_is_refused(head: bytes) -> None:
    with pytest.raises(VideoUnsupported, match="not a video of a known kind"):
        sniff(head)


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(VideoUnsupported, match="empty"):
        sniff(b"")
