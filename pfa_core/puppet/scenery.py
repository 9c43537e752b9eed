"""Backgrounds: rooms and open air, drawn once for a clip on a canvas larger than the picture.

A picture is (H, W, 3) float32 RGB in [0, 1].
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.puppet.clutter import draw_building, draw_furniture, draw_tree
from pfa_core.puppet.looks import tileable_noise

Picture = NDArray[np.float32]
_GROUND_TEXELS = 256
_GROUND_METRES = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the ground lies on the canvas: a level camera `camera_height` metres above it."""

    horizon: float
    """Row of the horizon, px."""
    scale: float
    """Px per metre at the person's distance."""
    distance: float
    """From the camera to the person, metres."""
    camera_height: float

    def row(self, beyond: float) -> float:
        """Row of the ground `beyond` metres behind the person."""
        return self.horizon + self.scale * self.camera_height * self.distance / (self.distance + beyond)


def paint(size: tuple[int, int], ground: Ground, rng: np.random.Generator) -> tuple[Picture, bool]:
    """A background of `size` (H, W), and whether it is outdoors."""
    outdoors = bool(rng.uniform() < 0.5)
    picture = _outdoors(size, ground, rng) if outdoors else _room(size, ground, rng)
    blur = float(rng.uniform(0.5, 1.3))  # the person is in focus, the background a little less
    soft = cv2.GaussianBlur(picture, (0, 0), blur)
    return soft.astype(np.float32, copy=False), outdoors


def rgb(hue: float, saturation: float, value: float) -> NDArray[np.float32]:
    """(3,) colour in [0, 1] from degrees, 0..1 and 0..1."""
    return cv2.cvtColor(np.array([[[hue % 360, saturation, value]]], np.float32), cv2.COLOR_HSV2RGB)[0, 0]


def clouds(size: tuple[int, int], rng: np.random.Generator, *, coarse: int = 3, octaves: int = 5) -> Picture:
    """(H, W) fractal noise, about [-1, 1]."""
    height, width = size
    total = np.zeros(size, np.float32)
    for octave in range(octaves):
        cells = coarse * 2**octave
        knots = rng.standard_normal((cells, max(2, cells * width // height))).astype(np.float32)
        total += cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC) * 0.6 ** (octave + 1)
    return total


def _vertical(size: tuple[int, int], top: Picture, bottom: Picture) -> Picture:
    share = np.linspace(0, 1, size[0], dtype=np.float32)[:, None, None]
    return np.repeat(top * (1 - share) + bottom * share, size[1], axis=1)


def _room(size: tuple[int, int], ground: Ground, rng: np.random.Generator) -> Picture:
    hue = rng.uniform(0, 360)
    wall = rgb(hue, rng.uniform(0.04, 0.4), rng.uniform(0.5, 0.92))
    picture = _vertical(size, wall * rng.uniform(0.85, 1.05), wall * rng.uniform(0.8, 1.0))
    picture *= 1 + 0.25 * _wallpaper(size, rng)[..., None]
    picture *= 1 + 0.06 * clouds(size, rng)[..., None]
    beyond = rng.uniform(0.8, 3.0)
    foot = ground.row(beyond)
    wall_scale = ground.scale * ground.distance / (ground.distance + beyond)
    for _ in range(int(rng.integers(3, 7))):
        draw_furniture(picture, foot=foot, scale=wall_scale, rng=rng)
    skirting = wall * 0.7 if rng.uniform() < 0.5 else np.full(3, 0.9, np.float32)
    top = foot - 0.1 * wall_scale
    cv2.rectangle(picture, (0, round(top)), (size[1], round(foot)), [float(c) for c in skirting], -1)
    _lay_ground(picture, ground, foot, texture=_floor(rng))
    return picture


def _wallpaper(size: tuple[int, int], rng: np.random.Generator) -> Picture:
    """(H, W) pattern of a wall, about [-1, 1]: plain, stripes, bricks or panels."""
    row, column = np.mgrid[: size[0], : size[1]].astype(np.float32)
    kind = rng.choice(["plain", "stripes", "bricks", "panels", "mottled"])
    pitch = rng.uniform(8, 22)
    pattern = np.zeros(size, np.float32)
    if kind == "stripes":
        pattern = 0.4 * np.tanh(3 * np.sin(2 * np.pi * column / pitch))
    elif kind == "bricks":
        high = pitch * 0.6
        course = np.floor(row / high)
        brick = np.floor(column / (2 * high) + 0.5 * (course % 2))
        shade = rng.uniform(-0.6, 0.6, (512, 64)).astype(np.float32)
        pattern = shade[course.astype(int) % 512, brick.astype(int) % 64]
        joint = (row % high < 1.4) | ((column + (course % 2) * high) % (2 * high) < 1.4)
        pattern = np.where(joint, 0.9, pattern)
    elif kind == "panels":
        pattern = -0.9 * (column % (3 * pitch) < 1.6) + 0.2 * np.sin(column / (3 * pitch))
    elif kind == "mottled":
        pattern = 0.5 * clouds(size, rng, coarse=12, octaves=3)
    return pattern.astype(np.float32)


def _floor(rng: np.random.Generator) -> Picture:
    """A tile of floor, `_GROUND_METRES` wide: planks, tiles or carpet."""
    count = _GROUND_TEXELS
    row, column = np.mgrid[:count, :count]
    kind = rng.choice(["planks", "tiles", "carpet"])
    base = rgb(rng.uniform(10, 50), rng.uniform(0.15, 0.65), rng.uniform(0.35, 0.85))
    noise = tileable_noise(count, 64, rng) * 0.06 + tileable_noise(count, 8, rng) * 0.05
    if kind == "planks":
        wide = count // int(rng.choice([16, 32]))
        tone = rng.uniform(-0.18, 0.18, count // wide)
        grain = np.repeat(tileable_noise(count, 32, rng)[:1], count, axis=0) * 0.06
        noise = noise + grain + tone[(column // wide)] - 0.5 * (column % wide < 2)
    elif kind == "tiles":
        wide = count // int(rng.choice([4, 8]))
        odd = ((row // wide + column // wide) % 2) * rng.uniform(0, 0.5)
        noise = noise - odd - 0.3 * ((row % wide < 3) | (column % wide < 3))
    else:
        base = rgb(rng.uniform(0, 360), rng.uniform(0.1, 0.5), rng.uniform(0.3, 0.7))
        noise = noise * 2.5
    return np.clip(base * (1 + noise[..., None]), 0, 1).astype(np.float32)


def _outdoors(size: tuple[int, int], ground: Ground, rng: np.random.Generator) -> Picture:
    hue = rng.uniform(195, 225)
    sky = _vertical(size, rgb(hue, rng.uniform(0.25, 0.7), rng.uniform(0.65, 0.95)), rgb(hue, 0.12, 0.95))
    cover = np.clip(clouds(size, rng) * 1.2 + rng.uniform(-0.5, 0.6), 0, 1)[..., None]
    picture = (sky * (1 - cover) + np.float32(rng.uniform(0.8, 0.97)) * cover).astype(np.float32)
    _hills(picture, ground, rng)
    for beyond in sorted(rng.uniform(4, 40, int(rng.integers(3, 9))), reverse=True):
        scale = ground.scale * ground.distance / (ground.distance + beyond)
        draw = draw_tree if rng.uniform() < 0.6 else draw_building
        draw(picture, foot=ground.row(beyond), scale=scale, rng=rng)
    base, rough = {
        "grass": (rgb(rng.uniform(75, 120), rng.uniform(0.35, 0.7), rng.uniform(0.35, 0.65)), 0.22),
        "asphalt": (rgb(220, 0.04, rng.uniform(0.35, 0.6)), 0.10),
        "sand": (rgb(rng.uniform(32, 46), rng.uniform(0.25, 0.45), rng.uniform(0.65, 0.85)), 0.10),
    }[str(rng.choice(["grass", "asphalt", "sand"]))]
    noise = sum(tileable_noise(_GROUND_TEXELS, cells, rng) for cells in (64, 32, 8, 4))
    texture = np.clip(base * (1 + rough * np.asarray(noise)[..., None]), 0, 1).astype(np.float32)
    _lay_ground(picture, ground, ground.row(rng.uniform(5, 60)), texture=texture)
    return picture


def _hills(picture: Picture, ground: Ground, rng: np.random.Generator) -> None:
    width = picture.shape[1]
    for layer in range(int(rng.integers(1, 4))):
        knots = rng.uniform(0, 1, (1, int(rng.integers(4, 9)))).astype(np.float32)
        ridge = cv2.resize(knots, (width, 1), interpolation=cv2.INTER_CUBIC)[0]
        top = ground.horizon - (4 + (46 - 12 * layer) * ridge)
        points = [*np.column_stack([np.arange(width), top]).tolist(), [width, 4000], [0, 4000]]
        colour = rgb(rng.uniform(90, 215), rng.uniform(0.12, 0.4), rng.uniform(0.45, 0.75))
        cv2.fillPoly(picture, [np.round(np.array(points)).astype(np.int32)], [float(c) for c in colour], cv2.LINE_AA)


def _lay_ground(picture: Picture, ground: Ground, first_row: float, *, texture: Picture) -> None:
    """Fill the rows below `first_row` with a texture that lies flat; far away it fades to its mean."""
    height, width = picture.shape[:2]
    begin = int(np.clip(np.ceil(first_row), 0, height))
    if begin >= height:
        return
    rows = np.arange(begin, height, dtype=np.float32)[:, None] + 0.5
    row_scale = np.maximum((rows - ground.horizon) / ground.camera_height, 0.5)  # px per metre
    columns = np.arange(width, dtype=np.float32)[None, :] + 0.5 - width / 2
    metres = np.stack(np.broadcast_arrays(columns / row_scale, ground.distance * (1 - ground.scale / row_scale)))
    texel = (metres * (_GROUND_TEXELS / _GROUND_METRES)).astype(np.float32)
    flat = cv2.remap(texture, texel[0] % _GROUND_TEXELS, texel[1] % _GROUND_TEXELS, cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_WRAP)  # fmt: skip
    sharp = np.clip(row_scale / ground.scale * 1.3 - 0.3, 0.12, 1)[..., None]
    picture[begin:] = flat * sharp + texture.mean(axis=(0, 1)) * (1 - sharp)
    shade = np.linspace(0.86, 1.06, height - begin, dtype=np.float32)[:, None, None]
    picture[begin:] *= shade
