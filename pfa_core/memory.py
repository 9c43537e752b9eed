"""How much memory this process may still take."""

from pathlib import Path

import torch

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int:
    """Of a GPU, its free memory; else see `free_host_bytes`."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_host_bytes()


def free_host_bytes(*, meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """The machine's available memory, or what is left of the container's limit where that is less.

    Args:
        meminfo, cgroup: where the kernel tells it (Linux, cgroup v2).
    """
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    available = int(fields["MemAvailable"].split()[0]) << 10
    try:
        limit, used = (cgroup / "memory.max").read_text().strip(), int((cgroup / "memory.current").read_text())
    except OSError:
        return available  # no container, or a kernel that does not say
    return available if limit == "max" else max(0, min(available, int(limit) - used))
