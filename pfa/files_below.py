"""The files that a command line means: files as they are, folders as what lies in them."""

from collections.abc import Sequence
from pathlib import Path

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def below(paths: Sequence[Path], *, suffixes: tuple[str, ...] | None) -> list[Path]:
    """Files as they are, whatever they are called; folders as the visible files of these suffixes (None: any)."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        found += [file for file in inside if suffixes is None or file.suffix.lower() in suffixes]
    return found


def root_of(paths: Sequence[Path]) -> Path | None:
    """What files are named below: the folder, where one folder was given."""
    return paths[0] if len(paths) == 1 and paths[0].is_dir() else None
