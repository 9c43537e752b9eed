"""How motion between two frames is measured. Source: paper section 3, "Patch and Optical Flow Mining"."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pfa_core.errors import ConfigInvalid

FlowBackend = Literal["fused", "torch", "opencv", "dis"]
FlowPreset = Literal["paper", "fast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TvL1Config:
    """Parameters of TV-L1 (Zach, Pock, Bischof 2007), named as OpenCV's DualTVL1 names them."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    tau: float
    """Time step of the dual scheme."""
    lambda_: float
    """Weight of the data term; smaller is smoother."""
    theta: float
    """Coupling between the data and the smoothness step."""
    num_scales: int
    """Levels of the image pyramid."""
    scale_step: float
    """Size of a level relative to the one below, in (0, 1)."""
    num_warps: int
    """Linearisations per level."""
    epsilon: float
    """Stop when the mean squared update falls below epsilon squared."""
    inner_iterations: int
    outer_iterations: int
    median_size: int
    """Side of the median filter applied to the flow before each outer iteration: 0, 3 or 5."""

    def __post_init__(self) -> None:
        if not 0 < self.scale_step < 1:
            raise ConfigInvalid(f"scale_step must lie in (0, 1), got {self.scale_step}")
        for name in ("tau", "lambda_", "theta", "epsilon"):
            if not getattr(self, name) > 0:
                raise ConfigInvalid(f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("num_scales", "num_warps", "inner_iterations", "outer_iterations"):
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.median_size not in (0, 3, 5):
            raise ConfigInvalid(f"median_size must be 0, 3 or 5, got {self.median_size}")


def paper() -> TvL1Config:
    """OpenCV's defaults, the algorithm that the paper names (its reference [37])."""
    return TvL1Config(
        tau=0.25, lambda_=0.15, theta=0.3, num_scales=5, scale_step=0.8, num_warps=5, epsilon=0.01,
        inner_iterations=30, outer_iterations=10, median_size=5,
    )  # fmt: skip


def fast() -> TvL1Config:
    """Fewer warps, coarser scales: several times cheaper, slightly less exact."""
    return TvL1Config(
        tau=0.25, lambda_=0.15, theta=0.3, num_scales=5, scale_step=0.5, num_warps=3, epsilon=0.01,
        inner_iterations=15, outer_iterations=2, median_size=5,
    )  # fmt: skip


def preset(name: FlowPreset) -> TvL1Config:
    """The preset of that name."""
    return {"paper": paper, "fast": fast}[name]()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackConfig:
    """What a pack of a video holds. Together with the video's sha256 it identifies the pack."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    short_side_px: int = 240
    """Frames are scaled so that the shorter side has this length (UCF101's and HMDB51's height)."""
    backend: FlowBackend = "fused"
    tvl1: TvL1Config
    bound_px: float = 20.0
    """Flow bound: larger displacements are clipped."""
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        if not 32 <= self.short_side_px <= 1080:
            raise ConfigInvalid(f"short_side_px must lie in 32..1080, got {self.short_side_px}")
        if not self.bound_px > 0:
            raise ConfigInvalid(f"bound_px must be > 0, got {self.bound_px}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ConfigInvalid(f"jpeg_quality must lie in 1..100, got {self.jpeg_quality}")
