"""From solids and a background to frames: shadows, ray casting, light on the lens, noise, and who hides whom.

T frames, P solids, K joints.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.puppet.camera import Camera
from pfa_core.puppet.looks import TILE, Looks
from pfa_core.puppet.motion import Array
from pfa_core.puppet.parts import GROUPS, Solids
from pfa_core.puppet.raycast import Cloth, Parts, Sheet, cast, lay_over
from pfa_core.puppet.raycast import Light as Rays
from pfa_core.puppet.scenery import Picture

_SAMPLES = 2
"""Samples along one side of a pixel."""
_CLOTH_METRES = 0.26
"""Side of one tile of cloth."""

HIDES_NOT: dict[str, tuple[str, ...]] = {
    "shoulder": ("torso", "upper_arm"), "elbow": ("upper_arm", "lower_arm"), "wrist": ("lower_arm",),
    "hip": ("torso", "upper_leg"), "knee": ("upper_leg", "lower_leg"), "ankle": ("lower_leg",),
    "neck": ("head", "torso"), "head_top": ("head",), "nose": ("head",),
}  # fmt: skip
"""The members that meet at a joint: they cover it without hiding it, as long as it lies just under their surface."""
_DEEP_METRES = {"shoulder": 0.13, "hip": 0.17, "neck": 0.13, "nose": 0.06, "head_top": 0.10}
"""How deep under its own members' surface a joint still counts as seen; others 0.11."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """How a scene is lit and how the sensor records it."""

    towards: Array
    """(3,) unit, to the light: x right, y up, z to the camera."""
    ambient: float
    key: float
    tint: Array
    """(3,) RGB of the key light."""
    shadow: float
    """How dark the cast shadow is, 0..1."""
    softness: float
    """Blur of the shadow's edge, as a part of a metre."""
    exposure: float
    vignette: float
    flicker: Array
    """(T,) gain of each frame."""
    noise: float
    """Standard deviation, levels of 255."""


def sample_light(num_frames: int, rng: np.random.Generator, *, outdoors: bool, noise: float) -> Light:
    """Draw a light that suits the place."""
    side, high = rng.uniform(-75, 75), rng.uniform(42, 68)
    around, up = np.deg2rad(side), np.deg2rad(high)
    towards = np.array([np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)])
    warm = rng.uniform(-0.09, 0.09)
    key = rng.uniform(0.35, 0.75) if outdoors else rng.uniform(0.2, 0.5)
    times = np.arange(num_frames)
    flicker = 1 + rng.uniform(0, 0.012) * np.sin(2 * np.pi * (times / rng.uniform(8, 60) + rng.uniform()))
    return Light(
        towards=towards, ambient=float(1.02 - 0.62 * key), key=float(key), tint=np.array([1 + warm, 1.0, 1 - warm]),
        shadow=float(rng.uniform(0.25, 0.6) * key), softness=0.025 if outdoors else 0.07,
        exposure=float(rng.uniform(0.82, 1.12)), vignette=float(rng.uniform(0, 0.28)), flicker=flicker,
        noise=float(rng.uniform(0.15, 1.0) * noise),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What the camera recorded."""

    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    silhouette: NDArray[np.uint8]
    """(T, H, W), 255 is covered by the person."""
    visible: NDArray[np.uint8]
    """(T, K) 0 outside the picture, 1 behind another member, 2 seen."""


def film(
    solids: Solids,
    looks: Looks,
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    canvas: Picture,
    canvas_place: Array,
    joints: dict[str, Array],
    which: NDArray[np.int64],
) -> Film:
    """Record the frames `which`.

    Args:
        size: (H, W) of the picture.
        canvas: the background, larger than the picture; `canvas_place` (T, 2) is where its corner falls, before the
            hand's movements.
        joints: name to (T, 3), metres in the body's axes.
    """
    shadows = _shadow_ends(solids, camera, light)
    names = tuple(joints)
    keypoints = camera.project(np.stack([joints[name] for name in names], axis=1)) * _SAMPLES  # (T, K, 3)
    lens = _lens(size, light)
    grains = [(rng.standard_normal((*size, 3)) * light.noise).astype(np.float32) for _ in range(3)]
    grain_shifts = rng.integers(0, size, (len(camera.scale), 2))
    frames = np.empty((len(which), *size, 3), np.uint8)
    silhouette = np.empty((len(which), *size), np.uint8)
    visible = np.empty((len(which), len(names)), np.uint8)
    draw = _figure(solids, looks, camera, light, size=size)
    for row, t in enumerate(which):
        frame = _background(canvas, canvas_place[t], camera.hand[t], size)
        scale = camera.radius_scale[t]
        _cast_shadow(frame, [ends[t] for ends in shadows], solids.radius * scale, light, blur=light.softness * scale)
        sheet, cover = draw(frame, t)
        silhouette[row] = np.rint(cover * 255)
        for k, name in enumerate(names):
            visible[row, k] = _visibility(keypoints[t, k], name, sheet, solids.group, metre=scale * _SAMPLES)
        cv2.multiply(frame, lens, dst=frame, scale=float(light.flicker[t]))
        moved = np.roll(grains[t % 3], tuple(grain_shifts[t]), axis=(0, 1))
        frames[row] = cv2.add(frame, moved, dtype=cv2.CV_8U)  # rounds and clips
    return Film(frames=frames, silhouette=silhouette, visible=visible)


def _figure(
    solids: Solids, looks: Looks, camera: Camera, light: Light, *, size: tuple[int, int]
) -> Callable[[Picture, int], tuple[Sheet, NDArray[np.float32]]]:
    """A function that lays the figure of frame t over a picture and returns the samples and the covered share."""
    start, end = camera.project(solids.start) * _SAMPLES, camera.project(solids.end) * _SAMPLES
    grain, flat_along = camera.direct(solids.grain), camera.direct(solids.flat_along)
    x, y, z, red, green, blue = (float(value) for value in (*light.towards, *light.tint))
    rays = Rays((x, -y, z), light.ambient, light.key, (red, green, blue))
    shape = (size[0] * _SAMPLES, size[1] * _SAMPLES)
    sheet = Sheet(np.empty(shape), np.empty(shape, np.int16), np.empty((*shape, 3), np.float32))
    cover = np.empty(size, np.float32)

    def draw(frame: Picture, t: int) -> tuple[Sheet, NDArray[np.float32]]:
        sheet.depth.fill(-np.inf)
        sheet.owner.fill(-1)
        samples = float(camera.radius_scale[t]) * _SAMPLES  # a metre's
        parts = Parts(start[t], end[t], solids.radius * samples, grain[t], flat_along[t], solids.flat, solids.material)
        cast(parts, Cloth(looks.tiles, TILE / (_CLOTH_METRES * samples)), rays, sheet)
        lay_over(frame, sheet, cover)
        return sheet, cover

    return draw


def _background(canvas: Picture, place: Array, hand: Array, size: tuple[int, int]) -> Picture:
    """The part of the canvas that the camera sees. Pixel centres lie at half px; OpenCV counts from the centre."""
    whole = hand.copy()
    whole[:, 2] += hand[:, :2] @ (place + 0.5) - 0.5
    seen = cv2.warpAffine(canvas, whole, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return seen.astype(np.float32, copy=False)


def _lens(size: tuple[int, int], light: Light) -> Picture:
    """(H, W, 3) levels of 255 per unit of light: exposure, the light's tint, darker corners."""
    rows, columns = (np.linspace(-1, 1, count, dtype=np.float32) for count in size)
    far = rows[:, None] ** 2 + columns[None, :] ** 2
    gain = 255 * light.exposure * (1 - light.vignette * far / 2)
    return (gain[..., None] * (1 + (light.tint - 1) * 0.7)).astype(np.float32)


def _shadow_ends(solids: Solids, camera: Camera, light: Light) -> tuple[Array, Array]:
    """Where the shadows of all solids begin and end: two of (T, P, 2) px."""
    towards = camera.turn.T @ light.towards
    ends = []
    for points in (solids.start, solids.end):
        fallen = points - points[..., 1:2] / towards[1] * towards
        ends.append(camera.project(fallen)[..., :2])
    return ends[0], ends[1]


def _cast_shadow(frame: Picture, ends: list[Array], radius: Array, light: Light, *, blur: float) -> None:
    """Darken the ground where the body keeps the light away."""
    height, width = frame.shape[:2]
    mask = np.zeros((height // 2, width // 2), np.uint8)
    first, second = (np.rint(points * 8).astype(int) for points in ends)  # half size, sixteenths of a px
    for (x0, y0), (x1, y1), wide in zip(first, second, radius.mean(axis=1), strict=True):
        cv2.line(mask, (int(x0), int(y0)), (int(x1), int(y1)), 255, max(1, round(0.8 * wide)), cv2.LINE_AA, 4)
    soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), max(blur / 2, 0.6)), (width, height))
    cv2.multiply(frame, cv2.merge([1 - (light.shadow / 255) * soft.astype(np.float32)] * 3), dst=frame)


def _visibility(point: Array, name: str, sheet: Sheet, group: NDArray[np.int64], *, metre: float) -> int:
    """0 outside the picture, 1 hidden, 2 seen, of a joint at (x, y, z) samples."""
    row, column = int(np.floor(point[1])), int(np.floor(point[0]))
    if not (0 <= row < sheet.owner.shape[0] and 0 <= column < sheet.owner.shape[1]):
        return 0
    part = sheet.owner[row, column]
    if part < 0:
        return 2  # the edge of the body: nothing is in front of it
    side, _, joint = name.rpartition("_") if name.startswith(("left_", "right_")) else ("", "", name)
    member = GROUPS[group[part]]
    own = any(member in (allowed, f"{side}_{allowed}") for allowed in HIDES_NOT[joint])
    deep = (sheet.depth[row, column] - point[2]) / metre
    return 2 if own and deep <= _DEEP_METRES.get(joint, 0.11) else 1
