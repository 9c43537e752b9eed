"""Images and clips that the tests make themselves."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.images import write_jpeg, write_png
from pfa_core.people import Person, Point
from pfa_core.skeleton import JointSet

JOINTS = JointSet(("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"))
_COLOURS = ((255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))


def dotted_people(folder: Path, count: int, *, seed: int = 0, split: str | None = None) -> list[Person]:
    """Images of 96 x 120 px in which every joint is a dot of its own colour; a person crop of scale 3 shows x < 96."""
    rng = np.random.default_rng(seed)
    people = []
    for number in range(count):
        places = rng.choice(16, len(JOINTS), replace=False)  # of a lattice, so that no dot hides another
        points = np.stack([27 + 14 * (places % 4), 27 + 14 * (places // 4)], axis=1) + rng.integers(-1, 2, (5, 2))
        image = np.full((96, 120, 3), 60, dtype=np.uint8)
        joints: dict[str, Point] = {}
        for name, (x, y), colour in zip(JOINTS.names, points, _COLOURS, strict=True):
            cv2.circle(image, (int(x), int(y)), 5, colour, -1)
            joints[name] = (float(x), float(y), 2)
        path = folder / f"{seed}-{number}.png"
        path.write_bytes(write_png(image))
        people.append(Person(image=path, joints=joints, torso_box=(32, 32, 32, 32), split=split))
    return people


def cut_short(path: Path, *, share: float = 0.6) -> Path:
    """Damage a file as a lost connection does: only its first part is left."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def damaged_jpeg(path: Path) -> Path:
    """A JPEG with a good header, whose data end too early."""
    path.write_bytes(write_jpeg(np.random.default_rng(0).integers(0, 255, (96, 120, 3), dtype=np.uint8)))
    return cut_short(path)


def damaged_clip(path: Path) -> Path:
    """An AVI of 30 noisy frames, of which the first 17 or so are left."""
    rng = np.random.default_rng(0)
    write_clip(path, [rng.integers(0, 255, (72, 96, 3), dtype=np.uint8) for _ in range(30)])
    return cut_short(path)


def stripes(*, upright: bool, seed: int, size: tuple[int, int] = (72, 96)) -> NDArray[np.uint8]:
    """Stripes of a random phase: upright or level."""
    height, width = size
    along = np.arange(width if upright else height) + np.random.default_rng(seed).integers(12)
    wave = np.where(along % 12 < 6, 40, 220).astype(np.uint8)
    plane = np.tile(wave, (height, 1)) if upright else np.tile(wave[:, None], (1, width))
    return np.repeat(plane[..., None], 3, axis=2)


def write_clip(path: Path, frames: Sequence[NDArray[np.uint8]], *, fps: int = 10) -> Path:
    """Encode RGB frames as MPEG-4 in AVI."""
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 2_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
