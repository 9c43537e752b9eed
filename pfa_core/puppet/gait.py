"""Walking and running: feet that stay where they step, a pelvis that goes on, arms against the legs."""

from dataclasses import dataclass

import numpy as np

from pfa_core.puppet.body import Body
from pfa_core.puppet.motion import Array, Motion, keyed, neutral


@dataclass(frozen=True, slots=True, kw_only=True)
class Gait:
    """One way of going. Angles in degrees, lengths as fractions of the leg."""

    speed: float
    """Metres a second."""
    cycle_s: float
    """From one step of the left foot to its next."""
    stance: float
    """Part of the cycle that a foot is on the ground: over 0.5 is walking."""
    lift: tuple[tuple[float, float], ...]
    """Height of the ball of the foot over the swing phase."""
    pitch: tuple[tuple[float, float], ...]
    """Foot pitch over the cycle."""
    bob: float
    """Rise of the pelvis at mid-stance; negative where it is lowest there."""
    arm_swing: float
    arm_bias: float
    elbow: float
    elbow_swing: float
    lean: float
    straight: float
    """How straight the standing legs are: 0 never overstretched, 1 always."""
    tall: float
    """Highest mean of the hips, as a part of their height when standing."""
    lead: float
    """Part of the cycle by which the thigh, and the arms with it, are ahead of the foot's landing."""


def walking(rng: np.random.Generator, body: Body) -> Gait:
    """An everyday walk. Source: stride grows with speed; stance 62 % of the cycle (Perry 1992)."""
    size = body.leg / 0.85
    speed = rng.uniform(0.85, 1.5) * size
    return Gait(
        speed=speed, cycle_s=(0.55 + 0.5 * speed / size) * size / speed, stance=0.62,
        lift=((0.0, 0.0), (0.4, 0.11), (1.0, 0.0)),
        pitch=((0.0, 20), (0.09, 0), (0.36, 0), (0.62, -48), (0.78, -25), (1.0, 20)),
        bob=0.014, arm_swing=rng.uniform(18, 36), arm_bias=4, elbow=rng.uniform(12, 28), elbow_swing=10,
        lean=rng.uniform(1, 5), straight=0.25, tall=0.99, lead=0.04,
    )  # fmt: skip


def running(rng: np.random.Generator, body: Body) -> Gait:
    """A jog to a run: both feet leave the ground between steps."""
    size = body.leg / 0.85
    return Gait(
        speed=rng.uniform(2.1, 3.1) * size, cycle_s=rng.uniform(0.64, 0.76), stance=0.34,
        lift=((0.0, 0.0), (0.34, 0.45), (0.66, 0.24), (1.0, 0.0)),
        pitch=((0.0, 8), (0.08, 0), (0.16, 0), (0.34, -55), (0.56, -88), (0.8, -12), (1.0, 8)),
        bob=-0.035, arm_swing=rng.uniform(38, 56), arm_bias=-4, elbow=rng.uniform(80, 102), elbow_swing=14,
        lean=rng.uniform(7, 15), straight=0.15, tall=0.955, lead=0.14,
    )  # fmt: skip


def go(gait: Gait, body: Body, times_s: Array, *, phase: float) -> Motion:
    """Carry out a gait at `times_s` (T,), starting `phase` of a cycle in; the pelvis sets out from z = 0."""
    motion = neutral(len(times_s), body)
    left = times_s / gait.cycle_s + phase
    motion.pelvis[:, 2] = gait.speed * times_s
    limits = []
    for side, cycle in enumerate((left, left + 0.5)):
        _step(motion, gait, body, cycle, side=side)
        limits.append(_reach(motion, body, side=side, on_ground=np.mod(cycle, 1.0) <= gait.stance))
        swing = -np.cos(2 * np.pi * (cycle + gait.lead))
        motion.arm_flex[:, side] = gait.arm_bias + gait.arm_swing * swing
        motion.elbow[:, side] = gait.elbow + gait.elbow_swing * swing
    bounce = gait.bob * body.leg * np.cos(4 * np.pi * (left - gait.stance / 2))
    room = np.minimum(*limits) - bounce
    mean = np.quantile(room[np.isfinite(room)], gait.straight)
    motion.pelvis[:, 1] = min(mean, gait.tall * body.standing) + bounce
    wave = np.cos(2 * np.pi * (left + gait.lead))
    strength = gait.arm_swing / 30
    motion.pelvis_turn[:, 2] = -6 * strength * wave
    motion.pelvis_turn[:, 1] = 2 * np.sin(2 * np.pi * left)
    motion.spine_turn[:, 2] = 12 * strength * wave
    motion.spine_turn[:, 0] = gait.lean
    motion.neck_turn[:, 2] = -5 * strength * wave
    motion.neck_turn[:, 0] = -0.8 * gait.lean
    motion.arm_rotate[:] = -20 if gait.elbow > 60 else -5
    return motion


def _step(motion: Motion, gait: Gait, body: Body, cycle: Array, *, side: int) -> None:
    """One foot: it stands still for its stance, then swings to where the body will be."""
    share = np.mod(cycle, 1.0)
    swing = np.clip((share - gait.stance) / (1 - gait.stance), 0.0, 1.0)
    stride = gait.speed * gait.cycle_s
    stood = motion.pelvis[:, 2] - (share - gait.stance / 2) * stride + 0.09 * body.leg
    travelled = swing - np.sin(2 * np.pi * swing) / (2 * np.pi)
    pitch = keyed(share, gait.pitch)
    motion.foot_pitch[:, side] = pitch
    motion.foot_out[:, side] = 6
    motion.ball[:, side, 0] *= 0.75
    motion.ball[:, side, 2] = stood + travelled * stride
    heel_down = np.sin(np.deg2rad(np.maximum(pitch, 0))) * (body.ball_forward + body.heel_back)
    motion.ball[:, side, 1] = keyed(swing, gait.lift) * body.leg + heel_down


def _reach(motion: Motion, body: Body, *, side: int, on_ground: Array) -> Array:
    """(T,) the highest that the pelvis may be for a standing foot; infinite while the foot swings."""
    pitch = np.deg2rad(motion.foot_pitch[:, side])
    ahead = motion.ball[:, side, 2] - body.ball_forward * np.cos(pitch) + body.ankle_height * -np.sin(pitch)
    up = motion.ball[:, side, 1] - body.ball_forward * np.sin(pitch) + body.ankle_height * np.cos(pitch)
    away = ahead - motion.pelvis[:, 2]
    height = up + np.sqrt(np.maximum((0.992 * body.leg) ** 2 - away**2, 0.01))
    return np.where(on_ground, height, np.inf)
