"""One clip: an actor, an action and a place, rendered to frames with the truth about every joint.

T frames, K joints, P solids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pfa_core.errors import ConfigInvalid
from pfa_core.puppet.actions import ACTS, HEADINGS_DEG
from pfa_core.puppet.body import Body, sample_body
from pfa_core.puppet.camera import frame_body, shaking
from pfa_core.puppet.film import film, sample_light
from pfa_core.puppet.looks import Looks, sample_looks
from pfa_core.puppet.parts import dress
from pfa_core.puppet.scenery import paint
from pfa_core.puppet.skeleton3d import stand
from pfa_core.skeleton import LSP, JointSet

ACTIONS: tuple[str, ...] = tuple(ACTS)
JOINTS = JointSet((*LSP.names, "nose"))
"""The joints that a clip labels: the fourteen of Leeds Sports Pose, and the nose."""

_ACTOR, _SCENE, _PLACE = 11, 23, 37
"""Tags that keep the random streams of actors, scenes and places apart."""
_MARGIN_PX = 18
"""How much larger than the picture the background is on each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """The format of a clip and how rough its camera is."""

    width_px: int = 320
    height_px: int = 240
    fps: float = 25.0
    num_frames: int = 48
    shake_px: float = 1.6
    """Largest amplitude of the hand that holds the camera; 0 is a tripod."""
    noise: float = 4.0
    """Largest standard deviation of the sensor's noise, in levels of 255."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("width_px", 64, 4096), ("height_px", 64, 4096), ("fps", 1, 240), ("num_frames", 1, 100_000),
            ("shake_px", 0, 8), ("noise", 0, 50),
        ):  # fmt: skip
            if not low <= getattr(self, name) <= high:
                raise ConfigInvalid(f"{name} must lie in {low}..{high}, got {getattr(self, name)}")
        if self.width_px % 2 or self.height_px % 2:
            raise ConfigInvalid(f"sides must be even (4:2:0 video), got {self.width_px} x {self.height_px}")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where the camera stands."""

    heading_deg: float
    """The person's: 0 faces the camera, 90 faces the right edge of the picture."""
    distance_m: float
    eye_m: float
    """Height of the camera over the ground."""
    outdoors: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Frames and the truth about them."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    joints_px: NDArray[np.float32]
    """(T, K, 2) of `JOINTS`; (0, 0) is the corner, not the centre, of the first pixel."""
    visible: NDArray[np.uint8]
    """(T, K) 2: seen, or under no more than its own limb's flesh and clothes; 1: behind another part of the body;
    0: outside the picture."""
    silhouette: NDArray[np.uint8]
    """(T, H, W) how much of a pixel the person covers, 255 is all of it."""
    action: str
    actor: int
    view: View
    fps: float

    @property
    def joint_names(self) -> tuple[str, ...]:
        return JOINTS.names

    def torso_box(self, frame: int) -> tuple[float, float, float, float]:
        """(x, y, w, h) px around the shoulders and hips, without a margin."""
        rows = [JOINTS.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip")]
        return _box(self.joints_px[frame, rows])

    def person_box(self, frame: int) -> tuple[float, float, float, float]:
        """(x, y, w, h) px around all joints inside the picture, without a margin."""
        return _box(self.joints_px[frame, self.visible[frame] > 0])


def _box(points: NDArray[np.float32]) -> tuple[float, float, float, float]:
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(left), float(top), float(right - left), float(bottom - top)


def actor_of(actor: int) -> tuple[Body, Looks]:
    """The body and clothes of an actor: the same for the same number, in any clip."""
    rng = np.random.default_rng([_ACTOR, actor])
    return sample_body(rng), sample_looks(rng)


def render_clip(
    action: str,
    *,
    actor: int,
    seed: int,
    config: SceneConfig,
    place: int | None = None,
    only: Sequence[int] | None = None,
) -> Clip:
    """Render an actor doing an action. The actor decides body and clothes; the seed place, manner, view and light.

    Args:
        place: clips of one place have the same background; None: one of the clip's own.
        only: render these frames alone, exactly as they are in the whole clip.

    Raises:
        ConfigInvalid: there is no such action or no such frame.
    """
    if action not in ACTS:
        raise ConfigInvalid(f"There is no action {action!r}; choose from {', '.join(ACTIONS)}.")
    which = np.arange(config.num_frames) if only is None else np.array(only, dtype=np.int64)
    if len(which) == 0 or which.min() < 0 or which.max() >= config.num_frames:
        raise ConfigInvalid(f"The clip has frames 0 to {config.num_frames - 1}; {only} asks for others or for none.")
    rng = np.random.default_rng([_SCENE, seed])
    body, looks = actor_of(actor)
    size = (config.height_px, config.width_px)
    times_s = np.arange(config.num_frames) / config.fps * rng.uniform(0.92, 1.08)
    skeleton = stand(ACTS[action](body, times_s, rng), body)
    solids = dress(skeleton, body, looks)
    heading = float(rng.uniform(*HEADINGS_DEG[action]) * rng.choice([-1.0, 1.0]))
    hand = shaking(config.num_frames, size, rng, shake_px=config.shake_px * rng.uniform(0.3, 1.0))
    camera, ground, pan = frame_body(
        np.concatenate([solids.start, solids.end], axis=1), skeleton.joints["pelvis"] * np.array([1.0, 0.0, 1.0]),
        size, rng, height=body.height, heading_deg=heading, hand=hand,
    )  # fmt: skip
    slack = int(np.ceil(np.abs(pan).max())) + _MARGIN_PX
    canvas_size = (size[0] + 2 * _MARGIN_PX, size[1] + 2 * slack)
    scenery = rng if place is None else np.random.default_rng([_PLACE, place])
    canvas, outdoors = paint(canvas_size, replace(ground, horizon=ground.horizon + _MARGIN_PX), scenery)
    joints = {name: skeleton.joints[name] for name in JOINTS.names}
    light = sample_light(config.num_frames, rng, outdoors=outdoors, noise=config.noise)
    taken = film(
        solids, looks, camera, light, rng, size=size, canvas=canvas,
        canvas_place=np.stack([pan - slack, np.full_like(pan, -_MARGIN_PX)], axis=1), joints=joints, which=which,
    )  # fmt: skip
    keypoints = camera.project(np.stack(list(joints.values()), axis=1))[which, :, :2]
    return Clip(
        frames=taken.frames, joints_px=keypoints.astype(np.float32), visible=taken.visible,
        silhouette=taken.silhouette, action=action, actor=actor, fps=config.fps,
        view=View(heading_deg=heading, distance_m=ground.distance, eye_m=ground.camera_height, outdoors=outdoors),
    )  # fmt: skip
