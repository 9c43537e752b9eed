"""How glibc's allocator is to treat the buffers of networks. Processes get it in their environment when they start."""

from collections.abc import Mapping

ALLOCATOR: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**30),  # below this a buffer comes from the heap, not from a mapping of its own
    "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30),  # that much free heap is kept for the next pass
    "MALLOC_TOP_PAD_": str(256 * 2**20),  # the heap grows in steps of this
}
"""glibc otherwise gives big buffers back to the kernel after every forward or backward pass, and the next pass waits
while the kernel maps and zeroes them again, page by page. What the operator has set goes before it."""
