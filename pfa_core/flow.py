"""Motion between two frames: one interface, several backends. Source: paper section 3.

Flow is (u right, v down) in px: what is at (x, y) in the first frame is at (x + u, y + v) in the second.
"""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.config import flow as presets
from pfa_core.config.flow import FlowBackend, FlowPreset, TvL1Config
from pfa_core.errors import ConfigInvalid, ImageTooSmall

MIN_SIDE_PX = 16
"""The smallest pyramid level of TV-L1."""
GPU_BATCH_PIXELS = 64 * 320 * 240
"""Pixels of a batch on a GPU: 64 pairs of UCF101's size, some 3.5 GB while they are computed. To be tuned on one."""


class FlowEngine(Protocol):
    """Measures flow between pairs of frames of one size, reusing its buffers. Not to be shared between threads."""

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Two (H, W) uint8 luma images, not modified -> (H, W, 2) float32 px, a new array."""
        ...


class BatchEngine(Protocol):
    """Measures the flow of many pairs of one size. Not to be shared between threads."""

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8], /) -> NDArray[np.float32]:
        """Two (N, H, W) uint8 batches of luma images, not modified -> (N, H, W, 2) float32 px, a new array."""
        ...


def make_engine(backend: FlowBackend, config: TvL1Config, *, size: tuple[int, int]) -> FlowEngine:
    """An engine for frames of `size` (H, W). `dis` has parameters of its own and leaves `config` unread.

    Raises:
        ConfigInvalid: no such backend.
        ImageTooSmall: a side below 16 px.
    """
    _check_size(size)
    if backend == "opencv":
        from pfa_core.tvl1.opencv import OpenCvTvL1

        return OpenCvTvL1(config)
    if backend == "dis":
        from pfa_core.tvl1.dis import Dis

        return Dis()
    if backend == "fused":
        from pfa_core.tvl1.fused import FusedTvL1

        return FusedTvL1(config, size=size)
    if backend == "torch":
        return _OneOfBatch(make_batch_engine(backend, config, size=size))
    raise ConfigInvalid(f"flow backend must be fused, torch, opencv or dis, got {backend!r}")


def make_batch_engine(
    backend: FlowBackend, config: TvL1Config, *, size: tuple[int, int], device: str = "auto"
) -> BatchEngine:
    """An engine for batches of frames of `size` (H, W).

    Args:
        backend: `torch` measures a batch at once; the others pair after pair, on the CPU.
        config: parameters of TV-L1.
        size: (H, W).
        device: for `torch`: `auto` (the GPU where there is one, else the CPU), `cpu`, `cuda` or `cuda:<number>`.

    Raises:
        ConfigInvalid: no such backend or device.
        ImageTooSmall: a side below 16 px.
    """
    if backend != "torch":
        return _PairByPair(make_engine(backend, config, size=size))
    _check_size(size)
    from pfa_core.devices import device_of
    from pfa_core.tvl1.batched.engine import BatchedTvL1

    return BatchedTvL1(config, size=size, device=device_of(device))


def warm_up() -> None:
    """Have the fused kernels compiled, and kept on disk for later processes where a cache can be written."""
    from pfa_core.tvl1.fused import FusedTvL1

    blank = np.zeros((MIN_SIDE_PX, MIN_SIDE_PX), np.uint8)
    FusedTvL1(presets.fast(), size=blank.shape)(blank, blank)


def pairs_at_once(backend: FlowBackend, *, size: tuple[int, int]) -> int:
    """How many pairs a batch should hold: 1 where batches gain nothing, and on a GPU as many as fill it."""
    if backend != "torch":
        return 1
    from pfa_core.devices import device_of

    return 1 if device_of("auto").type == "cpu" else max(1, GPU_BATCH_PIXELS // (size[0] * size[1]))


class _PairByPair:
    """A `BatchEngine` of a `FlowEngine`."""

    def __init__(self, engine: FlowEngine) -> None:
        self._engine = engine

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        flows = [self._engine(a, b) for a, b in zip(first, second, strict=True)]
        return np.stack(flows) if flows else np.zeros((*first.shape, 2), np.float32)


class _OneOfBatch:
    """A `FlowEngine` of a `BatchEngine`."""

    def __init__(self, engine: BatchEngine) -> None:
        self._engine = engine

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        flow: NDArray[np.float32] = self._engine(first[None], second[None])[0]
        return flow


def _check_size(size: tuple[int, int]) -> None:
    """Raises: ImageTooSmall."""
    if min(size) < MIN_SIDE_PX:
        raise ImageTooSmall(f"The frames are {size[1]} x {size[0]} px; each side needs {MIN_SIDE_PX} px or more.")


def pair_flow(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    *,
    backend: FlowBackend = "fused",
    preset: FlowPreset = "paper",
) -> NDArray[np.float32]:
    """Flow from one image to another.

    Args:
        first: (H, W) uint8 luma or (H, W, 3) uint8 RGB. Not modified.
        second: the same size.
        backend: `fused` (ours), `torch` (ours, on a GPU where there is one), `opencv` (the reference) or `dis` (cheap).
        preset: `paper` (OpenCV's defaults) or `fast`.

    Returns:
        (H, W, 2) float32, px.

    Raises:
        ConfigInvalid: the images differ in size, are not uint8, or no such backend or preset.
        ImageTooSmall: a side below 16 px.
    """
    if preset not in ("paper", "fast"):
        raise ConfigInvalid(f"flow preset must be paper or fast, got {preset!r}")
    first_luma, second_luma = luma(first), luma(second)
    if first_luma.shape != second_luma.shape:
        raise ConfigInvalid(f"the two images differ in size: {first_luma.shape} and {second_luma.shape}")
    height, width = first_luma.shape
    return make_engine(backend, presets.preset(preset), size=(height, width))(first_luma, second_luma)


def luma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB -> (H, W) uint8: 0.299 R + 0.587 G + 0.114 B, rounded. Luma is returned as it is.

    Raises:
        ConfigInvalid: another dtype or shape.
    Source: ITU-R BT.601, as OpenCV's RGB2GRAY.
    """
    if image.dtype != np.uint8:
        raise ConfigInvalid(f"an image must be uint8, got {image.dtype}")
    if image.ndim == 2:
        return np.ascontiguousarray(image)
    if image.ndim == 3 and image.shape[2] == 3:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.uint8)
    raise ConfigInvalid(f"an image must be (H, W) luma or (H, W, 3) RGB, got shape {image.shape}")
