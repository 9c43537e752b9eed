"""The machine: Python and packages, processor, memory, GPU, shared memory, clock."""

import contextlib
import os
import platform
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata, util
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pfa.doctor.finding import Finding, broken, ok, warning

OLDEST_PYTHON = (3, 11)
OLDEST_TIME_S = 1_735_689_600.0
"""2025-01-01: a clock that shows less was never set."""
LITTLE_MEMORY_BYTES = 2 * 2**30
LITTLE_SHARED_BYTES = 256 * 2**20
_ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")


def python() -> Iterator[Finding]:
    """The interpreter's version."""
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield broken("python", f"Python {version}", remedy="Install Python 3.11 or newer.")
    else:
        yield ok("python", f"Python {version} on {platform.system()} {platform.machine()}")


def requirements() -> list[str]:
    """What this release asks for: of the installed distribution, or of the source tree that it runs from."""
    try:
        return list(metadata.requires("pfa") or ())
    except metadata.PackageNotFoundError:
        project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return list(project["dependencies"])


def locked(lock: Path = _ROOT / "requirements.lock") -> dict[str, str]:
    """Package -> the version that this release was tested with; empty where no lock is beside the code."""
    try:
        lines = lock.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pins = (_PIN.match(line) for line in lines)
    return {canonicalize_name(pin[1]): pin[2] for pin in pins if pin is not None}


def packages(wanted: Sequence[str], pins: Mapping[str, str]) -> Iterator[Finding]:
    """Whether each package is there in a version that this release was made for, and tested with where `pins` say so.

    Args:
        wanted: requirements, as in pyproject.toml.
        pins: package -> version, of the lock; they count for what is wanted, and for whatever of the rest is installed.
    """
    wrong, other = [], []
    checked = [each for each in map(Requirement, wanted) if each.marker is None or each.marker.evaluate({"extra": ""})]
    for each in checked:
        try:
            version = metadata.version(each.name)
        except metadata.PackageNotFoundError:
            if util.find_spec(each.name.replace("-", "_")) is None:
                wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(version, prereleases=True):
            wrong.append(f"{each.name} is {version}, wanted {each.specifier}")
    for name, pin in pins.items():
        with contextlib.suppress(metadata.PackageNotFoundError):
            version = metadata.version(name)
            if Version(version).public != Version(pin).public:
                other.append(f"{name} is {version}, tested with {pin}")
    if wrong:
        remedy = "Run `make setup`, or pip install with the release's requirements.lock as constraint."
        yield broken("packages", "; ".join(wrong), remedy=remedy)
    elif other:
        remedy = "They may well work; pip install -r requirements.lock gives exactly what was tested."
        yield warning("packages", "; ".join(other), remedy=remedy)
    else:
        exactly = f", and {len(pins)} in the lock" if pins else ""
        yield ok("packages", f"{len(checked)} packages as this release wants them{exactly}")


def processor() -> Iterator[Finding]:
    """Cores, and the instructions that make it fast."""
    import torch

    from pfa_core.devices import fast_in_bf16

    try:
        flags = set(re.findall(r"^flags\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)[0].split())
    except (OSError, IndexError):
        flags = set()
    known = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 bf16", "amx_bf16": "AMX bf16"}
    has = [name for flag, name in known.items() if flag in flags]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    numbers = "bf16" if fast_in_bf16(torch.device("cpu")) else "float32"
    yield ok("processor", f"{usable} cores, {', '.join(has) or 'no known extensions'}: predictions in {numbers}")


def memory() -> Iterator[Finding]:
    """Free memory, of the machine or of the container."""
    from pfa_core.memory import free_host_bytes

    free = free_host_bytes()
    says = f"{free / 2**30:.1f} GiB free"
    if free < LITTLE_MEMORY_BYTES:
        remedy = "Give the machine or container more memory, or set smaller batches and PFA_MAX_MODELS=1."
        yield warning("memory", says, remedy=remedy)
    else:
        yield ok("memory", says)


def gpu() -> Iterator[Finding]:
    """What torch sees of GPUs."""
    import torch

    if not torch.cuda.is_available():
        if shutil.which("nvidia-smi") is None:
            yield ok("gpu", "none; training and prediction run on the processor")
            return
        remedy = "Install the torch build of this CUDA driver; in a container, hand the GPU in (--gpus all)."
        yield warning("gpu", "nvidia-smi is here, but torch sees no GPU", remedy=remedy)
        return
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        name = torch.cuda.get_device_name(number)
        yield ok("gpu", f"{number}: {name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free")


def shared_memory(folder: Path = Path("/dev/shm")) -> Iterator[Finding]:  # noqa: S108  # the kernel's, not a temporary file
    """Room for what processes that train together share."""
    if not folder.is_dir():
        yield ok("shared memory", "this system has none of its own")
        return
    free = shutil.disk_usage(folder).free
    says = f"{free / 2**20:.0f} MiB free in {folder}"
    if free < LITTLE_SHARED_BYTES:
        yield warning("shared memory", says, remedy="Docker: --shm-size=1g. Training on several devices needs it.")
    else:
        yield ok("shared memory", says)


def clock(folder: Path, *, now_s: float | None = None) -> Iterator[Finding]:
    """The clock against the past, and against the files that were written last."""
    now = time.time() if now_s is None else now_s
    if now < OLDEST_TIME_S:
        yield broken("clock", f"it shows {time.strftime('%Y-%m-%d', time.gmtime(now))}", remedy="Set it (NTP).")
        return
    newest = max((path.stat().st_mtime for path in folder.glob("*")), default=now) if folder.is_dir() else now
    if newest > now + 60:
        says = f"files in {folder} are {newest - now:.0f} s from the future"
        remedy = "Set the clocks of all machines by NTP: leases and expiries go by them."
        yield broken("clock", says, remedy=remedy)
    else:
        yield ok("clock", f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))} UTC")
