"""The camera: how far it stands, how it pans, shakes and zooms, and where a point in space falls in the picture.

T frames. Space: x right, y up, z towards the camera, metres. Picture: x right, y down, z towards the camera, px.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pfa_core.puppet.motion import Array
from pfa_core.puppet.scenery import Ground
from pfa_core.puppet.skeleton3d import about

_ROOM_PX = 9.0
"""What is kept free at each edge of the picture, for the hand's movements."""
_GIRTH_M = 0.12
"""How far flesh and clothes reach beyond the points of a body."""
_IDLE_PX = 14.0
"""Most that the camera's aim drifts in a clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Where a body that is drawn about its own place on the ground falls in each frame's picture.

    The projection is weakly perspective: one scale for the whole body, from the distance of its middle.
    """

    turn: Array
    """(3, 3) from the body's own axes to the camera's."""
    root: Array
    """(T, 3) the body's place on the ground, in its own axes."""
    scale: Array
    """(T,) px per metre."""
    place: Array
    """(T, 2) px where the body's place on the ground falls, before the hand's movements."""
    hand: Array
    """(T, 2, 3) the hand's movements: a map of the picture onto itself (zoom, roll, shift)."""

    def project(self, points: Array) -> Array:
        """(T, ..., 3) metres in the body's axes -> (T, ..., 3) px."""
        lead = (slice(None),) + (None,) * (points.ndim - 2)
        seen = (points - self.root[lead]) @ self.turn.T * self.scale[lead][..., None]
        flat = np.stack([self.place[lead][..., 0] + seen[..., 0], self.place[lead][..., 1] - seen[..., 1]], axis=-1)
        moved = np.einsum("tij,t...j->t...i", self.hand[:, :, :2], flat) + self.hand[lead][..., :, 2]
        return np.concatenate([moved, seen[..., 2:] * self.zoom[lead][..., None]], axis=-1)

    def direct(self, directions: Array) -> Array:
        """(T, P, 3) unit directions in the body's axes -> the same in the picture's."""
        seen = directions @ self.turn.T * np.array([1.0, -1.0, 1.0])
        roll = self.hand[:, :, :2] / self.zoom[:, None, None]
        seen[..., :2] = np.einsum("tij,tpj->tpi", roll, seen[..., :2])
        return seen

    @property
    def zoom(self) -> Array:
        """(T,) the hand's zoom."""
        return np.hypot(self.hand[:, 0, 0], self.hand[:, 1, 0])

    @property
    def radius_scale(self) -> Array:
        """(T,) px per metre with the zoom."""
        return self.scale * self.zoom


def shaking(num_frames: int, size: tuple[int, int], rng: np.random.Generator, *, shake_px: float) -> Array:
    """(T, 2, 3) a hand that holds a camera: drifting shifts, a little roll, a slow zoom about the middle."""
    height, width = size
    times = np.arange(num_frames) / max(num_frames - 1, 1)

    def drift(strength: float) -> Array:
        frames = np.arange(num_frames)
        waves = [
            np.sin(2 * np.pi * (frames / rng.uniform(*period) + rng.uniform()))
            for period in ((40, 90), (14, 30), (6, 10))
        ]
        return np.asarray(strength * (0.6 * waves[0] + 0.35 * waves[1] + 0.12 * waves[2]))

    zoom = 1 + rng.uniform(-0.025, 0.025) * (times - 0.5) * 2
    roll = np.deg2rad(drift(0.25 * shake_px))
    hand = np.zeros((num_frames, 2, 3))
    hand[:, 0, 0] = hand[:, 1, 1] = zoom * np.cos(roll)
    hand[:, 0, 1], hand[:, 1, 0] = -zoom * np.sin(roll), zoom * np.sin(roll)
    middle = np.array([width / 2, height / 2])
    hand[:, :, 2] = middle - np.einsum("tij,j->ti", hand[:, :, :2], middle)
    hand[:, :, 2] += np.stack([drift(shake_px), drift(shake_px)], axis=1)
    return hand


def frame_body(
    points: Array,
    root: Array,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    height: float,
    heading_deg: float,
    hand: Array,
) -> tuple[Camera, Ground, Array]:
    """Choose distance, scale, place and pan so that the whole body stays in the picture.

    Args:
        points: (T, N, 3) metres that must be seen, in the body's axes.
        root: (T, 3) the body's place on the ground.
        size: (H, W) of the picture.
        height: the person's, metres.

    Returns:
        The camera, the ground, and the pan: (T,) px that the background is shifted to the right.
    """
    distance, eye = rng.uniform(5.0, 8.0), rng.uniform(0.8, 1.7)
    pitch = np.rad2deg(np.arctan2(eye - 0.9, distance))
    turn = about(0, np.array(pitch)) @ about(1, np.array(heading_deg))
    middle = (root.min(axis=0) + root.max(axis=0)) / 2
    path = (root - middle) @ about(1, np.array(heading_deg)).T  # (T, 3) on the ground, as seen
    nearer = distance / (distance - path[:, 2])
    seen = (points - root[:, None]) @ turn.T * nearer[:, None, None]
    x, up = seen[..., 0] + (path[:, 0] * nearer)[:, None], seen[..., 1] - (nearer * eye)[:, None]
    followed = x - (path[:, 0] * nearer)[:, None]  # as a camera that follows the feet sees it
    tall, wide = up.max() - up.min(), followed.max() - followed.min()
    scale = rng.uniform(0.7, 0.9) * size[0] / height
    scale = min(
        scale,
        (size[0] - 2 * _ROOM_PX) / (tall + 2 * _GIRTH_M),
        (size[1] - 2 * _ROOM_PX - _IDLE_PX) / (wide + 2 * _GIRTH_M),
    )
    room = _ROOM_PX + scale * _GIRTH_M
    low, high = scale * up.max() + room, size[0] - room + scale * up.min()
    horizon = low + (high - low) * rng.beta(2.0, 2.0)
    pan = _pan(scale * x, path[:, 0] * scale * nearer, size[1] - 2 * room, rng)
    spread = scale * x + pan[:, None]
    left, right = room - spread.min(), size[1] - room - spread.max()
    centre = left + (right - left) * rng.uniform()
    place = np.stack([centre + pan + path[:, 0] * scale * nearer, horizon + scale * nearer * eye], axis=1)
    camera = Camera(turn=turn, root=root, scale=scale * nearer, place=place, hand=hand)
    return camera, Ground(horizon=horizon, scale=scale, distance=distance, camera_height=eye), pan


def _pan(x: Array, path: Array, free_px: float, rng: np.random.Generator) -> Array:
    """(T,) px: a slow drift of the camera's aim, and as much following as keeps the body in the picture."""
    share = np.linspace(-0.5, 0.5, len(path))
    idle = rng.uniform(-_IDLE_PX, _IDLE_PX) * share
    for follow in np.arange(0.0, 1.01, 0.1):
        pan: NDArray[np.float64] = idle - follow * path
        spread = x + pan[:, None]
        if spread.max() - spread.min() <= free_px:
            return pan
    return -path
