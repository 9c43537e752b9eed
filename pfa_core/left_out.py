"""Items that a recipe goes on without, and why."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pfa_core.errors import BoxOutsideImage, DatasetUnsuitable, InputError

_FILE_FAULTS = frozenset({
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EIO,
    errno.ESTALE,
})  # fmt: skip
"""What says something about one file. Too many open files, or no memory for a process, is no fault of the item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A video, a clip, an image or a person in it that could not be used, and why."""

    name: str
    """As its user knows it."""
    code: str
    """Of the error, see `pfa_core.errors`."""
    message: str
    path: Path | None = None
    """The file that is of no use; None where there is none, or where only one person in it cannot be used."""

    @staticmethod
    def of(error: InputError, *, name: str, path: Path | None = None) -> "LeftOut":
        """The record of an error that one item met with."""
        only_a_person = isinstance(error, BoxOutsideImage | DatasetUnsuitable)
        return LeftOut(name=name, code=error.code, message=str(error), path=None if only_a_person else path)


@contextmanager
def opening(unreadable: type[InputError]) -> Iterator[None]:
    """Inside, a file that cannot be opened or read is one that cannot be used.

    Raises:
        InputError: of the type `unreadable`.
        OSError: as it was, where the machine is at fault, not the file.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FILE_FAULTS:
            raise
        raise unreadable(f"The file cannot be opened ({error.strerror}).") from error


def plain(left_out: Sequence[LeftOut]) -> list[dict[str, str]]:
    """Name, code and message of each, as plain values."""
    return [{"name": one.name, "code": one.code, "message": one.message} for one in left_out]


def reasons(left_out: Sequence[LeftOut]) -> str:
    """The first few reasons, to be put after a sentence: " a.mp4: It is damaged. b.mp4: ..."; empty without any."""
    return "".join(f" {one.name}: {one.message}" for one in left_out[:5])


def facts(left_out: Sequence[LeftOut]) -> list[tuple[str, str]]:
    """(name, code) of each, for the facts of an error."""
    return [(one.name, one.code) for one in left_out]


def nothing_usable(left_out: Sequence[LeftOut], *, num_items: int) -> DatasetUnsuitable:
    """The error to raise when a recipe would go on with nothing."""
    return DatasetUnsuitable(f"None of the {num_items} items can be used.{reasons(left_out)}", left_out=facts(left_out))
