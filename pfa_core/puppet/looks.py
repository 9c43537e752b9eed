"""What a person looks like: skin, hair, face and clothes, and the woven patterns on them."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

TILE = 64
"""Texels along one side of a pattern's tile: a power of two."""

SKIN, HAIR, TOP, BOTTOM, SHOES, DARK, LIPS, EXTRA = range(8)
"""Materials: indices into `Looks.tiles`."""

_SKINS = ((244, 208, 177), (231, 180, 143), (208, 152, 112), (172, 118, 84), (128, 84, 58), (88, 58, 42))
_HAIRS = ((28, 22, 20), (58, 38, 26), (104, 68, 38), (168, 124, 66), (150, 146, 142), (122, 52, 28))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The materials and the cut of one person's clothes."""

    tiles: NDArray[np.float32]
    """(8, TILE, TILE, 3) RGB in [0, 1], tileable."""
    sleeve: float
    """Part of the arm under cloth: 0 none, 0.55 short, 1 long."""
    trouser: float
    """Part of the leg under cloth: about 0.45 shorts, 1 long."""
    hair: str
    """`short`, `long`, `bun`, `bald` or `cap`."""
    loose: float
    """How far clothes stand off the body, a factor on its radii."""
    hem: float
    """How far the top hangs below the waist, 0..1."""


def sample_looks(rng: np.random.Generator) -> Looks:
    """Draw a person's skin, hair and clothes."""
    skin = np.array(_SKINS[rng.integers(len(_SKINS))]) / 255 * rng.uniform(0.94, 1.05)
    hair = np.array(_HAIRS[rng.integers(len(_HAIRS))]) / 255 * rng.uniform(0.85, 1.15)
    tiles = np.stack([
        _grain(skin, rng, strength=0.035),
        _strands(hair, rng),
        _cloth(rng),
        _cloth(rng, plain=0.62, dark=0.75),
        _grain(_colour(rng, dark=1.0), rng, strength=0.08),
        _grain(np.array([0.10, 0.08, 0.08]), rng, strength=0.02),
        _grain(np.clip(skin * np.array([0.86, 0.58, 0.56]), 0, 1), rng, strength=0.02),
        _cloth(rng, plain=0.8),
    ])  # fmt: skip
    return Looks(
        tiles=tiles.astype(np.float32),
        sleeve=float(rng.choice([0.0, 0.6, 0.6, 1.0])),
        trouser=float(rng.choice([0.5, 0.62, 1.0, 1.0, 1.0])),
        hair=str(rng.choice(["short", "short", "long", "bun", "bald", "cap"])),
        loose=float(rng.uniform(1.04, 1.2)),
        hem=float(rng.uniform(0.1, 0.9)),
    )


def _colour(rng: np.random.Generator, *, dark: float = 0.3) -> NDArray[np.float64]:
    """A clothes colour: any hue, mostly well saturated; with chance `dark` a dark or grey one."""
    hue, saturation, value = rng.uniform(0, 360), rng.uniform(0.35, 0.95), rng.uniform(0.45, 0.95)
    if rng.uniform() < dark:
        saturation, value = rng.uniform(0.05, 0.7), rng.uniform(0.16, 0.5)
    pixel = np.array([[[hue, saturation, value]]], np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)


def tileable_noise(size: int, cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(size, size) smooth noise in about [-1, 1] with `cells` bumps a side, that repeats without a seam."""
    knots = rng.standard_normal((cells, cells)).astype(np.float32)
    pad = np.pad(knots, 2, mode="wrap")
    step = size / cells
    fine = cv2.resize(pad, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    edge = round(2 * step)
    return fine[edge : edge + size, edge : edge + size].astype(np.float64) * 0.6


def _grain(colour: NDArray[np.float64], rng: np.random.Generator, *, strength: float) -> NDArray[np.float64]:
    noise = tileable_noise(TILE, 12, rng) + tileable_noise(TILE, 4, rng)
    return np.clip(colour * (1 + strength * noise[..., None]), 0, 1)


def _strands(colour: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    lines = np.tile(tileable_noise(TILE, 16, rng)[:1], (TILE, 1)) + 0.4 * tileable_noise(TILE, 8, rng)
    return np.clip(colour * (1 + 0.28 * lines[..., None]), 0, 1)


def _cloth(rng: np.random.Generator, *, plain: float = 0.3, dark: float = 0.3) -> NDArray[np.float64]:
    """A tile of cloth: plain, striped along or across, checked, dotted or mottled, with a weave."""
    first, second = _colour(rng, dark=dark), _colour(rng, dark=0.2)
    if np.abs(first - second).sum() < 0.5:
        second = np.clip(1.0 - first, 0.1, 0.95)
    row, column = np.mgrid[:TILE, :TILE] / TILE
    repeats = int(rng.integers(1, 4))
    along, across = (np.sin(2 * np.pi * repeats * axis) for axis in (row, column))
    blobs = tileable_noise(TILE, 5, rng)
    patterns = {
        "along": along, "across": across, "checks": 0.8 * (along + across), "dots": along * across * 2 - 0.7,
        "mottled": 1.6 * blobs,
    }  # fmt: skip
    name = "plain" if rng.uniform() < plain else str(rng.choice(list(patterns)))
    share = 0.5 + 0.5 * np.tanh(4 * patterns[name]) if name in patterns else np.zeros((TILE, TILE))
    cloth = first + share[..., None] * (second - first) * rng.uniform(0.5, 1.0)
    weave = 0.09 * tileable_noise(TILE, 12, rng) + 0.10 * tileable_noise(TILE, 5, rng)
    return np.clip(cloth * (1 + weave[..., None]), 0, 1)
