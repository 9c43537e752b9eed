"""What the operating system says about files, as errors of ours; and names that outlive a loss of power."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pfa_store.errors import DiskFull, StoreUnavailable


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


FULL = "The disk of the data folder is full. Delete something, or ask the administrator."


def is_full(error: BaseException) -> bool:
    """Whether the operating system says that no space or no quota is left, or that no file may get larger."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the operating system says about files into errors of ours."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull(FULL) from error
        raise StoreUnavailable(f"The data folder cannot be used just now: {error}") from error
