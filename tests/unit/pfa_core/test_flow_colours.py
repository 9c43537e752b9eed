"""Flow in Middlebury's colours, against the authors' rule written out pixel by pixel."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from pfa_core.flow_colours import colour_wheel, flow_colours


def literal_wheel() -> list[tuple[int, int, int]]:
    """`makecolorwheel` of the Middlebury flow code, loop by loop (integer division, as in C)."""
    ry, yg, gc, cb, bm, mr = 15, 6, 4, 11, 13, 6
    wheel = [(255, 255 * i // ry, 0) for i in range(ry)]
    wheel += [(255 - 255 * i // yg, 255, 0) for i in range(yg)]
    wheel += [(0, 255, 255 * i // gc) for i in range(gc)]
    wheel += [(0, 255 - 255 * i // cb, 255) for i in range(cb)]
    wheel += [(255 * i // bm, 0, 255) for i in range(bm)]
    wheel += [(255, 0, 255 - 255 * i // mr) for i in range(mr)]
    return wheel


def literal_colour(u: float, v: float) -> tuple[int, ...]:
    """`computeColor` for a displacement in units of a full colour."""
    wheel = literal_wheel()
    length = math.hypot(u, v)
    place = (math.atan2(-v, -u) / math.pi + 1.0) / 2.0 * (len(wheel) - 1)
    first = int(place)
    share = place - first
    found = []
    for channel in range(3):
        hue = (1 - share) * wheel[first][channel] / 255 + share * wheel[(first + 1) % len(wheel)][channel] / 255
        hue = 1 - length * (1 - hue) if length <= 1 else hue * 0.75
        found.append(int(255.0 * hue))
    return tuple(found)


def test_the_wheel_is_the_authors() -> None:
    assert np.abs(colour_wheel() - np.array(literal_wheel())).max() <= 1  # C drops the fraction on the other side


@pytest.mark.parametrize("longest_px", [1.0, 4.0])
def test_every_pixel_is_as_the_authors_code_draws_it(longest_px: float) -> None:
    rng = np.random.default_rng(0)
    flow_px = rng.normal(scale=longest_px / 2, size=(12, 17, 2))
    drawn = flow_colours(flow_px, longest_px=longest_px)
    for row, column in np.ndindex(12, 17):
        u, v = flow_px[row, column] / longest_px
        assert np.abs(drawn[row, column].astype(int) - literal_colour(u, v)).max() <= 2


def test_what_stands_still_is_white() -> None:
    assert (flow_colours(np.zeros((3, 4, 2), dtype=np.float32)) == 255).all()


def test_only_the_direction_and_the_relative_length_matter() -> None:
    flow_px: NDArray[np.float64] = np.random.default_rng(1).normal(size=(5, 6, 2))
    twice = flow_colours(2 * flow_px, longest_px=6.0)
    assert np.abs(twice.astype(int) - flow_colours(flow_px, longest_px=3.0)).max() <= 1


@pytest.mark.parametrize(
    ("direction", "strongest"), [((1, 0), (True, False, False)), ((-1, 0), (False, True, True))], ids=["right", "left"]
)
def test_right_is_red_and_left_is_cyan(direction: tuple[int, int], strongest: tuple[bool, ...]) -> None:
    colour = flow_colours(np.array([[direction]], dtype=np.float32))[0, 0]
    assert tuple(channel > 150 for channel in colour) == strongest


def test_motion_beyond_the_longest_is_darker() -> None:
    at, beyond = flow_colours(np.array([[[2.0, 0.0], [3.0, 0.0]]]), longest_px=2.0)[0].astype(int)
    assert beyond.sum() < at.sum()
