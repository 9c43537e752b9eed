"""What goes into a prediction and what comes out of it, as records.

Axes: D length of a feature.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api.uses import Use
from pfa_core.people import Box
from pfa_core.predict import ActionPrediction, PosePrediction
from pfa_core.retrieval import Neighbour
from pfa_core.skeleton import JointSet

Image = NDArray[np.uint8]
"""(H, W, 3) RGB; of a clip (T, H, W, 3)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A model as a request names it."""

    use: Use
    ref: str


@dataclass(frozen=True, slots=True)
class Version:
    """What that means now."""

    use: Use
    ref: str
    """`name@version`."""
    folder: Path


@dataclass(slots=True)
class Timing:
    """Where the time of a request went, s."""

    decode_s: float = 0.0
    queue_s: float = 0.0
    model_s: float = 0.0
    search_s: float | None = None
    """Of nearest poses only."""

    def header(self) -> str:
        """As the Server-Timing header has it, ms."""
        parts = {"decode": self.decode_s, "queue": self.queue_s, "model": self.model_s}
        if self.search_s is not None:
            parts["search"] = self.search_s
        return ", ".join(f"{name};dur={1000 * seconds:.1f}" for name, seconds in parts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class PosedPerson:
    """A person of an image."""

    box: Box | None
    """None: the whole image."""
    score: float | None
    """Of the people detector; None: nobody was looked for."""
    prediction: PosePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseAnswer:
    """The poses in an image, with the image itself for those who draw it."""

    model: str
    file: str
    image: Image
    joints: JointSet
    people: Sequence[PosedPerson]
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionAnswer:
    model: str
    num_frames: int
    prediction: ActionPrediction
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureAnswer:
    model: str
    feature: NDArray[np.float32]
    """(D,)."""
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourAnswer:
    collection: str
    model: str
    found: list[tuple[Neighbour, bytes | None]]
    """Nearest first, each with its thumbnail."""
    timing: Timing
