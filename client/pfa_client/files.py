"""Files on their way to the service: read when their turn comes, so that thousands need no thousand open files."""

import io
import mimetypes
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, cast

PathLike = str | Path
Part = tuple[str, tuple[str, IO[bytes], str]]
"""Field name, and file name, content and media type, as httpx takes them."""


class LateFile(io.RawIOBase):
    """A file that is opened by the first read and closed at its end; rewinding it allows a second sending."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._size = path.stat().st_size
        self._position = 0
        self._file: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._release()
        self._position = start + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        if self._position >= self._size:
            return b""
        if self._file is None:
            self._file = self._path.open("rb")
            self._file.seek(self._position)
        data = self._file.read(size)
        self._position += len(data)
        if not data or self._position >= self._size:
            self._release()
        return data

    def close(self) -> None:
        self._release()
        super().close()

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def part(field: str, path: PathLike, *, name: str | None = None) -> Part:
    """One file as a part of a form."""
    path = Path(path)
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return (field, (name or path.name, cast("IO[bytes]", LateFile(path)), media_type))


def parts(field: str, paths: Iterable[PathLike], *, root: PathLike | None = None) -> list[Part]:
    """Files as parts of a form; with `root`, each is named by its path below it, as annotations name it."""
    if root is None:
        return [part(field, path) for path in paths]
    return [part(field, path, name=Path(path).relative_to(root).as_posix()) for path in paths]


def form(
    files: Iterable[PathLike],
    *,
    root: PathLike | None,
    annotations: PathLike | Sequence[PathLike] | None,
    annotations_root: PathLike | None = None,
) -> Callable[[], list[Part]]:
    """The files of a form, opened anew each time that it is sent."""
    paths = list(files)
    notes = [annotations] if isinstance(annotations, str | Path) else list(annotations or ())
    return lambda: parts("files", paths, root=root) + parts("annotations", notes, root=annotations_root)
