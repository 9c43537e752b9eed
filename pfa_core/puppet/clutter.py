"""Things that stand in a background: furniture, trees, buildings. Each draws itself into a picture."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]


def _hsv(hue: float, saturation: float, value: float) -> list[float]:
    pixel = np.array([[[hue % 360, saturation, value]]], np.float32)
    return [float(channel) for channel in cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]]


def _darker(colour: Sequence[float], factor: float) -> list[float]:
    return [channel * factor for channel in colour]


def _box(picture: Picture, box: tuple[float, float, float, float], colour: Sequence[float]) -> None:
    """A filled rectangle; box is (left, top, right, bottom) in px, drawn to a sixteenth of a pixel."""
    left, top, right, bottom = (round(16 * value) for value in box)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)
    cv2.fillConvexPoly(picture, corners, colour, cv2.LINE_AA, 4)


def draw_furniture(picture: Picture, *, foot: float, scale: float, rng: np.random.Generator) -> None:
    """One piece against the wall: `foot` is the row where wall and floor meet, `scale` px per metre there."""
    centre = rng.uniform(0, picture.shape[1])
    piece = rng.choice(["picture", "picture", "window", "door", "shelf", "cupboard", "plant", "sofa"])
    draw = {
        "picture": _picture, "window": _window, "door": _door, "shelf": _shelf, "cupboard": _cupboard,
        "plant": _plant, "sofa": _sofa,
    }[str(piece)]  # fmt: skip
    draw(picture, centre, foot, scale, rng)


def _picture(picture: Picture, x: float, foot: float, scale: float, rng: np.random.Generator) -> None:
    wide, high = rng.uniform(0.3, 0.9) * scale, rng.uniform(0.3, 0.7) * scale
    top = foot - rng.uniform(1.7, 2.3) * scale
    _box(picture, (x - wide / 2 - 2, top - 2, x + wide / 2 + 2, top + high + 2), _hsv(30, 0.5, rng.uniform(0.1, 0.5)))
    _box(picture, (x - wide / 2, top, x + wide / 2, top + high), _hsv(rng.uniform(0, 360), 0.5, rng.uniform(0.3, 0.9)))
    for _ in range(5):
        spot = (round(16 * (x + rng.uniform(-0.35, 0.35) * wide)), round(16 * (top + rng.uniform(0.2, 0.8) * high)))
        colour = _hsv(rng.uniform(0, 360), rng.uniform(0.2, 0.9), rng.uniform(0.2, 1))
        cv2.circle(picture, spot, round(16 * rng.uniform(0.05, 0.16) * high), colour, -1, cv2.LINE_AA, 4)


def _window(picture: Picture, x: float, foot: float, scale: float, rng: np.random.Generator) -> None:
    wide, high, top = rng.uniform(0.8, 1.6) * scale, rng.uniform(0.9, 1.4) * scale, foot - 2.3 * scale
    _box(picture, (x - wide / 2 - 3, top - 3, x + wide / 2 + 3, top + high + 3), _hsv(0, 0, rng.uniform(0.6, 0.95)))
    for step in range(6):
        colour = _hsv(205, 0.35 - 0.05 * step, 0.8 + 0.03 * step)
        _box(picture, (x - wide / 2, top + high * step / 6, x + wide / 2, top + high * (step + 1) / 6), colour)
    frame = _hsv(0, 0, 0.85)
    _box(picture, (x - 1.2, top, x + 1.2, top + high), frame)
    _box(picture, (x - wide / 2, top + high * 0.45, x + wide / 2, top + high * 0.45 + 2), frame)


def _door(picture: Picture, x: float, foot: float, scale: float, rng: np.random.Generator) -> None:
    wide, top = 0.9 * scale, foot - 2.05 * scale
    colour = _hsv(rng.uniform(15, 40), rng.uniform(0.1, 0.6), rng.uniform(0.35, 0.9))
    _box(picture, (x - wide / 2 - 3, top - 3, x + wide / 2 + 3, foot), _darker(colour, 0.7))
    _box(picture, (x - wide / 2, top, x + wide / 2, foot), colour)
    for upper, lower in ((0.08, 0.45), (0.53, 0.92)):
        high = foot - top
        _box(picture, (x - wide * 0.32, top + upper * high, x + wide * 0.32, top + lower * high), _darker(colour, 0.86))
    _box(picture, (x + wide * 0.36, foot - 1.02 * scale, x + wide * 0.44, foot - 0.96 * scale), _hsv(45, 0.5, 0.8))


def _shelf(picture: Picture, x: float, foot: float, scale: float, rng: np.random.Generator) -> None:
    wide, rows = rng.uniform(0.7, 1.3) * scale, int(rng.integers(3, 6))
    step = 0.36 * scale
    wood = _hsv(rng.uniform(15, 40), rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.6))
    _box(picture, (x - wide / 2 - 2, foot - rows * step - 3, x + wide / 2 + 2, foot), wood)
    for row in range(rows):
        floor = foot - row * step - 2
        _box(picture, (x - wide / 2, floor - step + 3, x + wide / 2, floor), _darker(wood, 0.45))
        at = x - wide / 2 + 1
        while at < x + wide / 2 - 6:
            thick, high = rng.uniform(2, 6), rng.uniform(0.5, 0.85) * step
            colour = _hsv(rng.uniform(0, 360), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.9))
            _box(picture, (at, floor - high, at + thick - 0.6, floor), colour)
            at += thick if rng.uniform() < 0.85 else 3 * thick


def _cupboard(picture: Picture, x: float, foot: float, scale: float, rng: np.random.Generator) -> None:
    wide, top = rng.uniform(0.8, 1.6) * scale, foot - rng.uniform(0.7, 1.1) * scale
    wood = _hsv(rng.uniform(10, 45), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.85))
    _box(picture, (x - wide / 2, top, x + wide / 2, foot), wood)
    _box(picture, (x - wide / 2 - 2, top - 3, x + wide / 2 + 2, top + 1), _darker(wood, 1.15))
    for share in (0.25, 0.5, 0.75):
        at = x - wide / 2 + wide * share
        _box(picture, (at - 0.7, top + 3, at + 0.7, foot - 2), _darker(wood, 0.6))
    lamp = x + rng.uniform(-0.3, 0.3) * wide
    _box(picture, (lamp - 1.5, top - 0.35 * scale, lamp + 1.5, top - 3), _hsv(0, 0, 0.3))
    shade = [(lamp - 9, top - 0.3 * scale), (lamp + 9, top - 0.3 * scale), (lamp + 5, top - 0.5 * scale)]
    shade.append((lamp - 5, top - 0.5 * scale))
    cv2.fillConvexPoly(picture, np.round(16 * np.array(shade)).astype(np.int32), _hsv(48, 0.3, 0.98), cv2.LINE_AA, 4)


def _plant(picture: Picture, x: float, foot: float, scale: float, rng: np.random.Generator) -> None:
    pot = _hsv(rng.uniform(8, 30), 0.6, rng.uniform(0.4, 0.7))
    _box(picture, (x - 0.14 * scale, foot - 0.3 * scale, x + 0.14 * scale, foot + 2), pot)
    for _ in range(26):
        angle, long = rng.uniform(-70, 70), rng.uniform(0.4, 1.1) * scale
        tip = np.array([np.sin(np.deg2rad(angle)), -np.cos(np.deg2rad(angle))]) * long
        middle = np.array([x, foot - 0.3 * scale]) + tip / 2
        colour = _hsv(rng.uniform(85, 140), rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.6))
        axes = (round(8 * long), round(16 * rng.uniform(1.5, 3.5)))
        cv2.ellipse(picture, (round(16 * middle[0]), round(16 * middle[1])), axes, angle - 90, 0, 360, colour, -1,
                    cv2.LINE_AA, 4)  # fmt: skip


def _sofa(picture: Picture, x: float, foot: float, scale: float, rng: np.random.Generator) -> None:
    wide, colour = (
        rng.uniform(1.2, 1.9) * scale,
        _hsv(rng.uniform(0, 360), rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.7)),
    )
    _box(picture, (x - wide / 2, foot - 0.8 * scale, x + wide / 2, foot), _darker(colour, 0.85))
    _box(picture, (x - wide * 0.44, foot - 0.42 * scale, x + wide * 0.44, foot - 0.12 * scale), colour)
    for sign in (-1, 1):
        edge = x + sign * wide / 2
        _box(picture, (edge - 0.12 * scale, foot - 0.58 * scale, edge + 0.12 * scale, foot + 3), _darker(colour, 1.1))


def draw_tree(picture: Picture, *, foot: float, scale: float, rng: np.random.Generator) -> None:
    """A trunk and a crown of many leaves."""
    x, high = rng.uniform(0, picture.shape[1]), rng.uniform(2.5, 6.0) * scale
    trunk = _hsv(rng.uniform(20, 35), 0.5, rng.uniform(0.2, 0.4))
    _box(picture, (x - 0.12 * scale, foot - 0.6 * high, x + 0.12 * scale, foot + 1), trunk)
    hue, value = rng.uniform(70, 130), rng.uniform(0.25, 0.5)
    for share in np.linspace(0, 1, 70):
        spread = rng.normal(0, 1, 2) * np.array([0.15, 0.13]) * high
        colour = _hsv(hue + rng.uniform(-14, 14), rng.uniform(0.4, 0.75), value * (0.6 + 0.7 * share))
        spot = (round(16 * (x + spread[0])), round(16 * (foot - 0.72 * high + spread[1] - 3 * share)))
        cv2.circle(picture, spot, round(16 * rng.uniform(0.03, 0.07) * high) + 8, colour, -1, cv2.LINE_AA, 4)


def draw_building(picture: Picture, *, foot: float, scale: float, rng: np.random.Generator) -> None:
    """A house front with rows of windows."""
    x, wide, floors = rng.uniform(0, picture.shape[1]), rng.uniform(3, 9) * scale, int(rng.integers(1, 5))
    storey = 2.9 * scale
    wall = _hsv(rng.uniform(0, 60), rng.uniform(0.05, 0.5), rng.uniform(0.45, 0.9))
    top = foot - floors * storey
    _box(picture, (x - wide / 2, top, x + wide / 2, foot + 2), wall)
    _box(picture, (x - wide / 2 - 2, top - 0.3 * scale, x + wide / 2 + 2, top), _darker(wall, 0.55))
    columns = max(1, int(wide / (1.9 * scale)))
    for floor in range(floors):
        for column in range(columns):
            left = x - wide / 2 + (column + 0.28) * wide / columns
            upper = top + (floor + 0.25) * storey
            glass = _hsv(rng.uniform(195, 225), rng.uniform(0.1, 0.4), rng.uniform(0.2, 0.75))
            _box(picture, (left - 1, upper - 1, left + 0.95 * scale + 1, upper + 1.3 * scale + 1), _darker(wall, 1.15))
            _box(picture, (left, upper, left + 0.95 * scale, upper + 1.3 * scale), glass)
