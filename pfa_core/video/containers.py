"""Which files may be opened at all, told by their first bytes and never by their name."""

from dataclasses import dataclass
from pathlib import Path

from pfa_core.errors import VideoUnsupported

HEAD_BYTES = 64
"""How much of a file `sniff` looks at."""

_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
"""Atoms that an old QuickTime file may begin with; newer ones and MP4 begin with `ftyp`."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container of the allow-list."""

    name: str
    """`mp4`, `mov`, `mkv`, `webm` or `avi`."""
    demuxer: str
    """FFmpeg's name for the only demuxer that may read it."""


def sniff(head: bytes) -> Container:
    """The container that a file with these first bytes is.

    Raises:
        VideoUnsupported: none of the allow-list.
    """
    if head[4:8] == b"ftyp":
        return Container("mov" if head[8:12] == b"qt  " else "mp4", "mov")
    if head[4:8] in _QUICKTIME_ATOMS:
        return Container("mov", "mov")
    if head[:4] == b"\x1a\x45\xdf\xa3":  # EBML; its DocType follows within the first bytes
        return Container("webm" if b"webm" in head else "mkv", "matroska")
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return Container("avi", "avi")
    what = "The file is empty." if not head else "The file is not a video of a known kind."
    raise VideoUnsupported(f"{what} Send MP4, MOV, MKV, WebM or AVI.")


def sniff_file(path: Path) -> Container:
    """`sniff` the first bytes of a file.

    Raises:
        VideoUnsupported: none of the allow-list.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        return sniff(file.read(HEAD_BYTES))
