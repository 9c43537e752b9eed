"""What C libraries read from the environment when a process that runs networks starts. The operator's setting wins."""

from collections.abc import Mapping

TUNING: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * 2**30),  # below this a buffer comes from the heap, not from a mapping of its own
    "MALLOC_TRIM_THRESHOLD_": str(8 * 2**30),  # that much free heap is kept for the next pass
    "MALLOC_TOP_PAD_": str(256 * 2**20),  # the heap grows in steps of this
    "OMP_WAIT_POLICY": "PASSIVE",  # a thread that waits for another sleeps
}
"""glibc's allocator otherwise gives big buffers back to the kernel after every forward or backward pass, and the next
pass waits while the kernel maps and zeroes them again, page by page.

OpenMP's threads otherwise wait by spinning. API, workers and decoders share the cores, so a spinning thread often keeps
the one that it waits for from running: on two busy cores (load 10) a training step of `small()` took 1.7 to 3.2 s with
spinning and 0.6 s without.
"""
