"""Clips that hold nothing but noise, of the size that real packs have: to time a run without any video.

Axes: H rows, W columns.
"""

from dataclasses import dataclass

import numpy as np

from pfa_core.config.pretrain import PretrainConfig
from pfa_core.frame_store import FlowMaps, Frame

_BLOCK_PX = 8
_FLOW = 6
"""Largest flow, in 127ths of the bound: about 1 px, as in real clips; with more the first steps may diverge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInClip:
    """A clip made up from its number, frame by frame."""

    number: int
    num_frames: int
    size: tuple[int, int]
    bound_px: float
    still: bool = False

    @property
    def video_sha256(self) -> str:
        return f"{self.number:064x}"

    def frame(self, index: int) -> Frame:
        image = self._noise(index).integers(0, 256, (*self._coarse, 3), np.uint8)
        return image.repeat(_BLOCK_PX, 0).repeat(_BLOCK_PX, 1)[: self.size[0], : self.size[1]]

    def flow(self, index: int) -> FlowMaps:
        maps = self._noise(index).integers(-_FLOW, _FLOW + 1, (2, *self._coarse), np.int8)
        return maps.repeat(_BLOCK_PX, 1).repeat(_BLOCK_PX, 2)[:, : self.size[0], : self.size[1]]

    @property
    def _coarse(self) -> tuple[int, int]:
        return -(-self.size[0] // _BLOCK_PX), -(-self.size[1] // _BLOCK_PX)

    def _noise(self, index: int) -> np.random.Generator:
        return np.random.default_rng((self.number, index))


def stand_in_clips(config: PretrainConfig, *, count: int = 16, num_frames: int = 50) -> list[StandInClip]:
    """Clips of 4 : 3 at the working size of `config`: 320 x 240 for `paper()`."""
    short = config.pack.short_side_px
    return [
        StandInClip(number=i, num_frames=num_frames, size=(short, short * 4 // 3), bound_px=config.pack.bound_px)
        for i in range(count)
    ]
