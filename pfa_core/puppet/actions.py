"""The eight actions. Each is a function of the body, the time and a generator that draws its manner."""

from collections.abc import Callable

import numpy as np

from pfa_core.puppet.body import Body
from pfa_core.puppet.gait import go, running, walking
from pfa_core.puppet.motion import Array, Motion, keyed, neutral

Act = Callable[[Body, Array, np.random.Generator], Motion]


def walk(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    return go(walking(rng, body), body, times_s, phase=rng.uniform())


def run(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    return go(running(rng, body), body, times_s, phase=rng.uniform())


def _at_ease(body: Body, times_s: Array, rng: np.random.Generator, *, stance: float) -> Motion:
    """Standing, with the small sway of someone who stands."""
    motion = neutral(len(times_s), body, stance=stance)
    sway = np.sin(2 * np.pi * (0.35 * times_s + rng.uniform()))
    motion.pelvis[:, 0] += 0.012 * sway
    motion.pelvis[:, 1] -= 0.006 * (1 + sway)
    motion.spine_turn[:, 1] += 1.2 * sway
    motion.neck_turn[:, 2] += 6 * np.sin(2 * np.pi * (0.21 * times_s + rng.uniform()))
    motion.arm_abduct += rng.uniform(-2, 8)
    motion.elbow += rng.uniform(-4, 16)
    return motion


def jump(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    """Crouch with the arms back, fly with the arms up, land softly, again."""
    rest, crouch, push, land, rise = rng.uniform(0.06, 0.2), 0.34, 0.17, 0.17, 0.30
    flight = rng.uniform(0.44, 0.58)
    ends = np.cumsum([rest, crouch, push, flight, land, rise])
    moment = np.mod(times_s + rng.uniform(0, ends[-1]), ends[-1])
    deep = rng.uniform(0.26, 0.36) * body.leg
    toes_up = 0.07
    motion = _at_ease(body, times_s, rng, stance=1.5)
    fallen = (moment - ends[2]) / flight  # 0 at take-off, 1 at touch-down
    air = (fallen >= 0) & (fallen <= 1)
    height = 9.81 / 2 * flight**2 * np.clip(fallen, 0, 1) * (1 - np.clip(fallen, 0, 1))
    pushed = np.clip((moment - ends[1]) / push, 0, 1) ** 2
    landed = 1 - (1 - np.clip((moment - ends[3]) / land, 0, 1)) ** 2
    dip = keyed(moment, ((rest, 0.0), (ends[1], -deep)))
    dip = np.where(moment > ends[1], -deep + (deep + toes_up) * pushed, dip)
    dip = np.where(moment > ends[3], toes_up - (toes_up + 0.8 * deep) * landed, dip)
    dip = np.where(moment > ends[4], keyed(moment, ((ends[4], -0.8 * deep), (ends[5], 0.0))), dip)
    motion.pelvis[:, 1] += dip + height
    bent = np.clip(-dip / deep, 0, 1)
    motion.pelvis[:, 2] -= 0.12 * bent
    motion.pelvis_turn[:, 0] = 24 * bent
    motion.spine_turn[:, 0] = 22 * bent
    motion.neck_turn[:, 0] = -20 * bent
    tuck = rng.uniform(0.0, 0.22) * np.sin(np.pi * np.clip(fallen, 0, 1))
    motion.ball[:, :, 1] = np.where(air, height + tuck, 0.0)[:, None]
    motion.ball[:, :, 2] -= np.where(air, 0.5 * tuck, 0.0)[:, None]
    pitch_keys = ((ends[1] + 0.4 * push, 0.0), (ends[2], -55.0), (ends[3] - 0.08, -35.0), (ends[3] + 0.08, 0.0))
    motion.foot_pitch[:] = keyed(moment, pitch_keys)[:, None]
    top = rng.uniform(135, 168)
    reach = ((rest, 2.0), (ends[1] - 0.05, -52.0), (ends[2] + 0.06, top), (ends[3], 62.0), (ends[5], 2.0))
    motion.arm_flex[:] = keyed(moment, reach)[:, None]
    motion.elbow[:] = keyed(moment, ((ends[1], 24.0), (ends[2], 32.0), (ends[2] + 0.1, 10.0), (ends[4], 30.0)))[:, None]
    return motion


def wave_one_hand(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    """One forearm to and fro beside the head, the other arm at rest."""
    motion = _at_ease(body, times_s, rng, stance=rng.uniform(1.0, 1.8))
    side = int(rng.integers(2))
    beat = np.sin(2 * np.pi * (rng.uniform(1.1, 2.0) * times_s + rng.uniform()))
    motion.arm_abduct[:, side] = rng.uniform(88, 132) + 7 * beat
    motion.arm_flex[:, side] = rng.uniform(-4, 14)
    motion.arm_rotate[:, side] = 88
    motion.elbow[:, side] = rng.uniform(52, 74) - rng.uniform(28, 40) * beat
    motion.spine_turn[:, 1] += (3 if side == 0 else -3) * (1 + 0.5 * beat)
    return motion


def wave_both(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    """Both arms over the head and down again in wide arcs, or both hands to and fro above it."""
    motion = _at_ease(body, times_s, rng, stance=rng.uniform(1.0, 2.0))
    wide = rng.uniform() < 0.6
    rate = rng.uniform(0.7, 1.1) if wide else rng.uniform(1.0, 1.7)
    beat = np.sin(2 * np.pi * (rate * times_s + rng.uniform()))[:, None]
    middle, swing = (
        (rng.uniform(108, 118), rng.uniform(40, 52)) if wide else (rng.uniform(132, 146), rng.uniform(14, 24))
    )
    motion.arm_abduct[:] = middle + swing * beat
    motion.arm_flex[:] = rng.uniform(0, 12)
    motion.arm_rotate[:] = 88
    motion.elbow[:] = rng.uniform(12, 26) if wide else rng.uniform(28, 40) - 26 * beat
    motion.pelvis[:, 1] -= 0.012 * (1 + beat[:, 0])
    return motion


def bend(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    """Down from the hips until the hands are near the feet, and up again."""
    motion = _at_ease(body, times_s, rng, stance=rng.uniform(1.1, 2.0))
    down = _there_and_back(times_s, rng, period_s=rng.uniform(1.7, 2.6))
    tilt, curl = rng.uniform(56, 68), rng.uniform(34, 48)
    motion.pelvis_turn[:, 0] = tilt * down
    motion.spine_turn[:, 0] = curl * down
    motion.neck_turn[:, 0] = -12 * down
    motion.pelvis[:, 2] -= 0.17 * down
    motion.pelvis[:, 1] -= rng.uniform(0.03, 0.1) * down
    motion.arm_flex[:] = (2 + (tilt + curl - rng.uniform(0, 14)) * down)[:, None]
    motion.elbow[:] -= (8 * down)[:, None]
    return motion


def squat(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    """Hips back and down to the height of the knees, arms forward for balance, and up again."""
    motion = _at_ease(body, times_s, rng, stance=rng.uniform(1.7, 2.5))
    down = _there_and_back(times_s, rng, period_s=rng.uniform(1.2, 1.9))
    motion.pelvis[:, 1] -= rng.uniform(0.44, 0.54) * body.leg * down
    motion.pelvis[:, 2] -= 0.24 * body.leg * down
    motion.pelvis_turn[:, 0] = 26 * down
    motion.spine_turn[:, 0] = 10 * down
    motion.neck_turn[:, 0] = -18 * down
    motion.foot_out[:] = rng.uniform(16, 30)
    motion.arm_flex[:] = (2 + rng.uniform(98, 122) * down)[:, None]
    motion.elbow[:] *= (1 - 0.6 * down)[:, None]
    return motion


def punch(body: Body, times_s: Array, rng: np.random.Generator) -> Motion:
    """A boxer's stance, fists at the chin, one arm after the other shot forward."""
    motion = _at_ease(body, times_s, rng, stance=1.3)
    lead = int(rng.integers(2))
    facing = -1.0 if lead == 0 else 1.0  # the leading shoulder goes forward
    motion.ball[:, lead, 2] += 0.22
    motion.ball[:, 1 - lead, 2] -= 0.26
    motion.foot_out[:, 1 - lead] = 38
    motion.foot_pitch[:, 1 - lead] = -16
    pace = rng.uniform(0.46, 0.66)
    moment = np.mod(times_s + rng.uniform(0, 2 * pace), 2 * pace)
    motion.pelvis[:, 1] -= 0.055 + 0.018 * np.cos(2 * np.pi * times_s / pace)
    motion.pelvis_turn[:, 2] = 22 * facing
    motion.spine_turn[:, 0] = 6
    for side, start in ((lead, 0.0), (1 - lead, pace)):
        out = np.clip((moment - start) / (0.86 * pace), 0, 1)
        shot = np.sin(np.pi * out**0.8) ** 2
        motion.arm_flex[:, side] = 34 + 58 * shot
        motion.arm_abduct[:, side] = 12 - 6 * shot
        motion.arm_rotate[:, side] = -22 + 14 * shot
        motion.elbow[:, side] = 132 - 126 * shot
        turn = 14 if side == lead else -46
        motion.spine_turn[:, 2] += turn * facing * shot
        motion.pelvis[:, 2] += 0.07 * shot
    motion.neck_turn[:, 2] = -0.7 * (motion.pelvis_turn[:, 2] + motion.spine_turn[:, 2])
    return motion


def _there_and_back(times_s: Array, rng: np.random.Generator, *, period_s: float) -> Array:
    """(T,) 0 .. 1 .. 0 again and again, with a short hold at both ends."""
    wave = np.sin(2 * np.pi * (times_s / period_s + rng.uniform()))
    return (1 + np.clip(1.2 * wave, -1, 1) * (1.5 - 0.5 * np.clip(1.2 * wave, -1, 1) ** 2)) / 2


ACTS: dict[str, Act] = {
    "walk": walk, "run": run, "jump": jump, "wave_one_hand": wave_one_hand, "wave_both": wave_both, "bend": bend,
    "squat": squat, "punch": punch,
}  # fmt: skip

HEADINGS_DEG: dict[str, tuple[float, float]] = {
    "walk": (48, 108), "run": (52, 104), "jump": (0, 75), "wave_one_hand": (0, 50), "wave_both": (0, 50),
    "bend": (42, 110), "squat": (10, 90), "punch": (35, 95),
}  # fmt: skip
"""How far each action may turn from the camera, to either side; 0 faces it."""
