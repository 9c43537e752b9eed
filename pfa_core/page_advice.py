"""Telling the kernel how mapped files will be read (madvise).

Left alone, it reads megabytes around each place that is touched and not in memory: where samples are taken at random,
more than ten times what they need.
"""

import ctypes
import mmap

from torch import Tensor

_LIBC = ctypes.CDLL(None, use_errno=True)


def read_at_random(mapped: Tensor) -> None:
    """Read no more than what is touched.

    Args:
        mapped: all of a mapped file, contiguous.
    """
    _advise(mapped, mmap.MADV_RANDOM)


def read_ahead(part: Tensor) -> None:
    """Begin to read all of this at once, without waiting for it.

    Args:
        part: a contiguous piece of a mapped file.
    """
    _advise(part, mmap.MADV_WILLNEED)


def _advise(part: Tensor, advice: int) -> None:
    """It is advice: whatever the kernel makes of it, reading goes on as before."""
    assert part.is_contiguous(), "a range of addresses"
    start = part.data_ptr()
    first_page = start - start % mmap.PAGESIZE
    end = start + part.numel() * part.element_size()
    _LIBC.madvise(ctypes.c_void_p(first_page), ctypes.c_size_t(end - first_page), advice)
