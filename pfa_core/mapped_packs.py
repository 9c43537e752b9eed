"""The mapped form of a pack: its frames and flow uncompressed, read through a memory map.

A crop is then a copy of its own rows. `mapped_format` tells how it lies on disk.
"""

import contextlib
import errno
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.durable import flush
from pfa_core.errors import PackDamaged
from pfa_core.mapped_format import FLOW, FRAMES, HEADER, MAPPING, MappedHeader, mapped_folder, read_mapped
from pfa_core.pack_format import FileSum, beside, discard
from pfa_core.pack_lock import PackLock
from pfa_core.pack_reader import Pack
from pfa_core.page_advice import read_at_random
from pfa_core.progress import Progress

RESERVE_BYTES = 4 << 30
RESERVE_SHARE = 0.1
"""Mapped forms leave this much of the disk free, and this share of it: results, uploads and packs come first."""
DECODER = f"opencv {cv2.__version__}"
BLOCK_ITEMS = 64
"""Frames or maps that are decoded between two signs of life."""


@dataclass(frozen=True, slots=True)
class ClipTensors:
    """All of a video, in memory or mapped into it. Axes: T frames, H rows, W columns."""

    frames: Tensor
    """(T, H, W, 3) uint8 RGB"""
    flows: Tensor
    """(T - 1, 2, H, W) int8, x then y"""


def map_pack(
    pack: Pack, *, keep_free_bytes: int = 0, alive: Progress | None = None
) -> Generator[Progress, None, ClipTensors]:
    """Open the mapped form of a pack, every checksum compared; make it where there is none, or a damaged one.

    It is made beside the pack and renamed when complete, so it is always absent or whole. One process at a time makes
    it, under the pack's lock; the others wait. It holds no open file, and may be removed while it is mapped.

    Args:
        pack: the compressed one, which stays.
        keep_free_bytes: leave this much of the disk free, if it is more than `reserve_bytes`.
        alive: what to yield while it is being made.

    Raises:
        OSError: it cannot be written or mapped; with ENOSPC where it would use up the reserve. Nothing is left behind.
        PackDamaged: the pack does not read back.
    """
    place = mapped_folder(pack.folder)
    alive = alive or Progress(phase="load", step=0, total=1)
    with contextlib.suppress(PackDamaged):
        return _opened(pack, place)
    with contextlib.closing(PackLock(pack.folder)) as lock:
        for _ in lock.wait():
            yield alive
        with contextlib.suppress(PackDamaged):  # another one made it meanwhile
            return _opened(pack, place)
        discard(place)
        making = beside(pack.folder, MAPPING)
        shutil.rmtree(making, ignore_errors=True)
        _require_room(place.parent, num_bytes(pack), keep_free_bytes=keep_free_bytes)
        try:
            making.mkdir()
            for _ in _write(pack, making):
                yield alive
            making.rename(place)
            flush(place.parent)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return _opened(pack, place)


def num_bytes(pack: Pack) -> int:
    """Of the mapped form: 3 bytes of frame and 2 of flow a pixel."""
    return sum(math.prod(shape) for shape in _shapes(pack).values())


def reserve_bytes(folder: Path) -> int:
    """What mapped forms leave free of the disk that `folder` is on."""
    return max(RESERVE_BYTES, int(RESERVE_SHARE * shutil.disk_usage(folder).total))


def _require_room(folder: Path, needed: int, *, keep_free_bytes: int) -> None:
    reserve = max(reserve_bytes(folder), keep_free_bytes)
    free = shutil.disk_usage(folder).free
    if free - needed < reserve:
        raise OSError(errno.ENOSPC, f"{free >> 20} MiB are free and {reserve >> 20} MiB are kept in reserve")


def _shapes(pack: Pack) -> dict[str, tuple[int, ...]]:
    height, width = pack.size
    return {FRAMES: (pack.num_frames, height, width, 3), FLOW: (pack.num_frames - 1, 2, height, width)}


def _opened(pack: Pack, folder: Path) -> ClipTensors:
    """Raises: PackDamaged: absent, damaged, or of another pack than this; OSError: it cannot be mapped."""
    header = read_mapped(folder)
    shapes = _shapes(pack)
    fits = all(header.files[name].num_bytes == math.prod(shape) for name, shape in shapes.items())
    if not fits or header.pack_sha256 != pack.sha256 or header.decoder != DECODER:
        raise PackDamaged("The mapped form is not of this pack.", folder=str(folder))
    with contextlib.suppress(OSError):
        os.utime(folder)  # when it was last asked for
    frames = _mapped(folder / FRAMES, shapes[FRAMES], torch.uint8)
    return ClipTensors(frames, _mapped(folder / FLOW, shapes[FLOW], torch.int8))


def _mapped(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Map a file, without keeping it open: numpy's maps hold a file descriptor each, and there may be thousands."""
    try:
        mapped = torch.from_file(str(path), shared=False, size=math.prod(shape), dtype=dtype)
    except RuntimeError as error:
        raise OSError(errno.ENOMEM, f"{path.name} cannot be mapped: {error}") from error
    read_at_random(mapped)
    return mapped.view(shape)


def _write(pack: Pack, folder: Path) -> Generator[None, None, None]:
    """Fill an empty folder; yields now and then."""
    readers: dict[str, Callable[[int], NDArray[np.uint8] | NDArray[np.int8]]] = {FRAMES: pack.frame, FLOW: pack.flow}
    files: dict[str, FileSum] = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="map") as pool:
        for name, shape in _shapes(pack).items():
            checksum = hashlib.sha256()
            with (folder / name).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, math.prod(shape))  # or there is no room, and we know it now
                for first in range(0, shape[0], BLOCK_ITEMS):
                    for item in pool.map(readers[name], range(first, min(first + BLOCK_ITEMS, shape[0]))):
                        file.write(item.data)
                        checksum.update(item.data)
                    yield
            flush(folder / name)
            files[name] = FileSum(num_bytes=math.prod(shape), sha256=checksum.hexdigest())
    MappedHeader(pack_sha256=pack.sha256, decoder=DECODER, files=files).write(folder / HEADER)
    flush(folder / HEADER)
    flush(folder)
