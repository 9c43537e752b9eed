"""The flow of each pair of neighbouring frames of a video, as files that other programs read.

Axes: H rows, W columns of the frames at working size.
"""

import io
import struct
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.config.flow import PackConfig
from pfa_core.durable import write_atomic
from pfa_core.errors import InputError
from pfa_core.flow import FlowEngine, luma, make_engine
from pfa_core.progress import Progress
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe

Flow = NDArray[np.float32]
_FLO_MAGIC = 202021.25


def flo(flow_px: Flow) -> bytes:
    """(H, W, 2) float32 px, (u right, v down) -> Middlebury's .flo. Source: Baker et al. 2011, flow code."""
    height, width = flow_px.shape[:2]
    return struct.pack("<fii", _FLO_MAGIC, width, height) + flow_px.astype("<f4").tobytes()


def npz(flow_px: Flow) -> bytes:
    """(H, W, 2) float32 px -> a numpy archive with one array, `flow`."""
    archive = io.BytesIO()
    np.savez_compressed(archive, flow=flow_px.astype(np.float32))
    return archive.getvalue()


def png(flow_px: Flow) -> bytes:
    """(H, W, 2) float32 px -> KITTI's 16 bits: R = 64 u + 32768, G = 64 v + 32768, B = 1. Source: KITTI devkit."""
    coded = np.ones((*flow_px.shape[:2], 3), np.uint16)  # OpenCV's order: B, G, R
    coded[..., 2] = np.rint(np.clip(flow_px[..., 0] * 64 + 32768, 0, 65535))
    coded[..., 1] = np.rint(np.clip(flow_px[..., 1] * 64 + 32768, 0, 65535))
    done, encoded = cv2.imencode(".png", coded)
    assert done
    return encoded.tobytes()


WRITERS: dict[str, Callable[[Flow], bytes]] = {"flo": flo, "npz": npz, "png": png}


def write_flow(
    videos: Sequence[Path], *, kind: str, config: PackConfig, out: Path
) -> Generator[Progress, None, tuple[int, list[str]]]:
    """`out`/<video>/<number of the first frame>.<kind> for every pair; files that are there are not made again.

    Returns:
        How many files there are, and lines that tell which videos were left out, and why.
    """
    limits, lines, total = DecodeLimits(), list[str](), 0
    for number, (video, folder) in enumerate(zip(videos, _folders(videos, out), strict=True), start=1):
        try:
            num_pairs = max(0, probe(video, limits=limits).num_frames - 1)
            folder.mkdir(parents=True, exist_ok=True)
            targets = [folder / f"{first:06d}.{kind}" for first in range(num_pairs)]
            yield Progress(phase=f"flow {number}/{len(videos)}", step=0, total=num_pairs)
            if not all(target.exists() for target in targets):
                yield from _pairs(video, targets, kind=kind, config=config, phase=f"flow {number}/{len(videos)}")
        except InputError as error:
            lines.append(f"left out: {video}: {error}")
            continue
        total += num_pairs
    return total, lines


def _pairs(
    video: Path, targets: Sequence[Path], *, kind: str, config: PackConfig, phase: str
) -> Generator[Progress, None, None]:
    engine: FlowEngine | None = None
    with closing(read_frames(video, limits=DecodeLimits(), short_side_px=config.short_side_px)) as frames:
        before = luma(next(frames))
        for step, (frame, target) in enumerate(zip(frames, targets, strict=False), start=1):
            after = luma(frame)
            if not target.exists():
                height, width = after.shape
                engine = engine or make_engine(config.backend, config.tvl1, size=(height, width))
                write_atomic(target, WRITERS[kind](engine(before, after)))
            before = after
            yield Progress(phase=phase, step=step, total=len(targets))


def _folders(videos: Sequence[Path], out: Path) -> list[Path]:
    """A folder a video, by its name; by its name and number where two have one."""
    names = [video.stem for video in videos]
    return [
        out / (name if names.count(name) == 1 else f"{name}-{names[: number + 1].count(name)}")
        for number, name in enumerate(names)
    ]
