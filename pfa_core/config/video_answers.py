"""What is to be found out about videos: poses frame by frame, or actions second by second. Not in the paper."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pfa_core.errors import ConfigInvalid

Detector = Literal["off", "hog"]
Smoothing = Literal["off", "one_euro"]
Protocol = Literal["crops250", "fast"]
"""How a clip is looked at: `crops250`, the paper's test, 25 frames in 10 crops each (the model's own `test_frames` and
`test_blocks` hold); `fast`, at most 5 of those frames (and 2 blocks of flow), in their centre and its mirror."""

MAX_PEOPLE = 16
"""Most people of one frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPoseConfig:
    """How the poses of a video are found."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    boxes: tuple[tuple[float, float, float, float], ...] = ()
    """Person regions x, y, w, h in px of the video, the same in every frame; each is one person. Empty: the whole
    frame is."""
    detect: Detector = "off"
    """`hog`: look for people, every so many frames."""
    detect_every_frames: int = 10
    """Of the frames that are looked at, in how many people are looked for once; between, their boxes stay."""
    frame_step: int = 1
    """Look at one frame in so many."""
    smoothing: Smoothing = "off"
    """`off`: keypoints as each frame by itself gives them. `one_euro`: `one_euro.OneEuro`."""
    min_cutoff_hz: float = 1.0
    """Of `one_euro`: cut-off frequency at rest; lower is steadier. Source: Casiez et al. 2012, section 3."""
    beta: float = 3.0
    """Of `one_euro`: by how much the cut-off rises with speed, Hz per person side a second; higher lags less."""
    overlay: bool = True
    """Also make a video with the skeletons drawn."""

    def __post_init__(self) -> None:
        if self.boxes and self.detect != "off":
            raise ConfigInvalid("give boxes or detect, not both")
        if len(self.boxes) > MAX_PEOPLE:
            raise ConfigInvalid(f"at most {MAX_PEOPLE} boxes are possible, got {len(self.boxes)}")
        for box in self.boxes:
            if not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
                raise ConfigInvalid(f"a box is x, y, width, height in px with a size above 0, got {box}")
        _check_range("detect_every_frames", self.detect_every_frames, 1, 10_000)
        _check_range("frame_step", self.frame_step, 1, 10_000)
        _check_range("min_cutoff_hz", self.min_cutoff_hz, 1e-3, 1e3)
        _check_range("beta", self.beta, 0, 1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoActionConfig:
    """How the actions of a video are found: a window slides over it."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    window_s: float = 2.0
    """Length of the window that is judged at once."""
    stride_s: float = 1.0
    """From one window's beginning to the next one's."""
    top: int = 5
    """How many labels are told of a window and of the video."""
    protocol: Protocol = "fast"
    """How each window is looked at."""

    def __post_init__(self) -> None:
        _check_range("window_s", self.window_s, 0.1, 10)
        _check_range("stride_s", self.stride_s, 0.1, 600)
        _check_range("top", self.top, 1, 1000)


def _check_range(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigInvalid(f"{name} must lie in {least:g}..{most:g}, got {value}")
