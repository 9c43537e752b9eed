"""How much the person crops of a pose run are changed at random. Not in the paper."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from pfa_core.errors import ConfigInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentConfig:
    """Each sample of each batch draws its own change, evenly within these bounds; 0 is off, and all are off at first.

    Joints move with their pixels; one that leaves the crop counts as not labelled. Mirroring is `PoseConfig.flip`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    scale: float = 0.0
    """The person is drawn 1 / (1 + scale) to 1 + scale times as large; small and large are equally likely."""
    rotation_deg: float = 0.0
    """The crop is turned about its centre by up to this angle, either way."""
    translation: float = 0.0
    """The person is moved by up to this fraction of the crop's side, along each axis by itself."""
    colours: float = 0.0
    """How much contrast, brightness, tint and saturation are changed, 0..1; see `colour.vary_colours`."""

    def __post_init__(self) -> None:
        for name, most in (("scale", 1.0), ("rotation_deg", 180.0), ("translation", 0.5), ("colours", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigInvalid(f"{name} must lie in 0..{most:g}, got {getattr(self, name)}")

    @property
    def moves(self) -> bool:
        """Whether pixels change their places."""
        return max(self.scale, self.rotation_deg, self.translation) > 0

    def margin_px(self, crop_px: int) -> int:
        """What has to be known around a crop of `crop_px`, on each side, so that no change looks beyond it."""
        angle = math.radians(min(self.rotation_deg, 45.0))  # beyond, corners reach no farther
        reach = (1 + 2 * self.translation) * (math.cos(angle) + math.sin(angle)) * (1 + self.scale)
        return math.ceil((reach - 1) / 2 * crop_px)
