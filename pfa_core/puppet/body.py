"""The proportions of one person, in metres."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Bone lengths and girths of one person. Lengths are in metres, `girth` scales every radius."""

    height: float
    thigh: float
    shank: float
    ankle_height: float
    ball_forward: float
    """From the ankle forward to the ball of the foot."""
    heel_back: float
    spine: float
    """From the middle of the hips to the base of the neck."""
    neck: float
    head: float
    """From the top of the neck to the top of the head."""
    shoulder_half: float
    hip_half: float
    upper_arm: float
    forearm: float
    hand: float
    girth: float
    belly: float
    """1 is slim; scales the radius of the waist."""

    @property
    def leg(self) -> float:
        """Hip to ankle with a straight knee."""
        return self.thigh + self.shank

    @property
    def standing(self) -> float:
        """Height of the hips when standing at ease."""
        return self.ankle_height + 0.985 * self.leg


def sample_body(rng: np.random.Generator) -> Body:
    """Draw a grown person. Source: segment lengths as fractions of stature, Drillis and Contini 1966, +-6 %."""
    height = rng.uniform(1.52, 1.95)

    def part(fraction: float) -> float:
        return float(height * fraction * rng.uniform(0.94, 1.06))

    return Body(
        height=float(height), thigh=part(0.245), shank=part(0.240), ankle_height=part(0.043),
        ball_forward=part(0.085), heel_back=part(0.035), spine=part(0.292), neck=part(0.052), head=part(0.128),
        shoulder_half=part(0.112), hip_half=part(0.055), upper_arm=part(0.180), forearm=part(0.150), hand=part(0.060),
        girth=float(rng.uniform(0.88, 1.22)), belly=float(rng.uniform(0.92, 1.28)),
    )  # fmt: skip
