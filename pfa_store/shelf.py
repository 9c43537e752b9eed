"""Where published things are kept: videos, images, packs, models, galleries, the files of jobs.

A thing is a file or a folder that never changes once it is published. Its name is its path in the data folder. There
are two shelves: the data folder itself, which all hosts share, and an object store (`object_shelf`), of which each
host's data folder holds what it works with.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol


class Upload(Protocol):
    """A thing whose bytes are stored, and that nobody sees yet."""

    @property
    def path(self) -> Path:
        """Under which name it will be seen."""
        ...


class Shelf(Protocol):
    """What the store asks of either."""

    shared: bool
    """Whether all hosts see one data folder."""

    def here(self, path: Path) -> Path:
        """Have a published thing on this disk, and keep it there as long as this process may need it.

        Raises:
            StoreUnavailable: it is nowhere, or the store does not answer.
            ObjectDamaged: it does not come back as it was stored.
            DiskFull: what is in use leaves no room for it.
        """
        ...

    def using(self, path: Path) -> contextlib.AbstractContextManager[Path]:
        """`here` for the length of a block."""
        ...

    def try_here(self, path: Path) -> bool:
        """`here`, if it is published; whether it is."""
        ...

    def published(self, path: Path) -> bool:
        """Whether other hosts find it."""
        ...

    def upload(self, source: Path, path: Path) -> Upload | None:
        """Store the bytes of a file or folder for others; nobody sees them before `announce`. This may take long.

        Raises:
            StoreUnavailable, DiskFull: nothing is visible.
        """
        ...

    def announce(self, upload: Upload | None) -> None:
        """Let others see it, in one step. By now it lies at its path, if at all."""
        ...

    def publish(self, path: Path) -> None:
        """`upload` and `announce` of what lies at its path."""
        ...

    def drop(self, upload: Upload | None) -> None:
        """Forget an upload that was not announced."""
        ...

    def forget(self, path: Path) -> None:
        """Unpublish a thing, or all things below a folder."""
        ...

    def mark(self, path: Path) -> None:
        """Remember a name for good, where no folder is shared that would."""
        ...

    def marks(self, folder: Path) -> Sequence[str]:
        """The names that were marked in a folder."""
        ...

    def read_file(self, path: Path, file: str) -> bytes:
        """One file of a thing that is a folder, without the rest. Raises: StoreUnavailable."""
        ...

    def ping(self) -> None:
        """Raises: StoreUnavailable: what is published cannot be had."""
        ...

    def close(self) -> None:
        """Use nothing any more."""
        ...


class SharedFolder:
    """The data folder is the shelf: what lies there is published."""

    shared = True

    def here(self, path: Path) -> Path:
        return path

    @contextlib.contextmanager
    def using(self, path: Path) -> Iterator[Path]:
        yield path

    def try_here(self, path: Path) -> bool:
        return path.exists()

    def published(self, path: Path) -> bool:
        return path.exists()

    def upload(self, source: Path, path: Path) -> None:  # noqa: ARG002  # there is nowhere to bring it
        return None

    def announce(self, upload: Upload | None) -> None: ...

    def publish(self, path: Path) -> None: ...

    def drop(self, upload: Upload | None) -> None: ...

    def forget(self, path: Path) -> None: ...

    def mark(self, path: Path) -> None: ...

    def marks(self, folder: Path) -> Sequence[str]:  # noqa: ARG002
        return ()

    def read_file(self, path: Path, file: str) -> bytes:
        return (path / file).read_bytes()

    def ping(self) -> None: ...

    def close(self) -> None: ...
