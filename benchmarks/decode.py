"""Decoding against its peers: `python -m benchmarks.decode [--rounds 3]`. Prints a Markdown table.

Every round decodes every clip by every method, from opening the file to the last frame, on one thread. Ratios are
medians over clips and rounds, to cv2.VideoCapture in the same round. Ours decodes in a child process within limits, and
its time contains the start of that process; processor time is the parent's and the child's together.
"""

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from benchmarks.machine import describe
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits

REFERENCE = "cv2.VideoCapture (BGR)"


def by_opencv(path: Path) -> int:
    """Count the frames as OpenCV gives them."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def by_pyav_luma(path: Path) -> int:
    """The luma plane as it is decoded."""
    count = 0
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            np.frombuffer(memoryview(plane), np.uint8).reshape(frame.height, plane.line_size)[:, : frame.width].copy()
            count += 1
    return count


def by_pyav_rgb(path: Path) -> int:
    """RGB by one reformatter that is kept."""
    reformatter = VideoReformatter()
    count = 0
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for frame in container.decode(video=0):
            rgb = reformatter.reformat(frame, format="rgb24", threads=1)
            np.frombuffer(memoryview(rgb.planes[0]), np.uint8).copy()
            count += 1
    return count


def by_us(path: Path) -> int:
    """RGB from the sandbox."""
    return sum(1 for _ in read_frames(path, limits=DecodeLimits()))


def by_us_scaled(path: Path) -> int:
    """As packs are made."""
    return sum(1 for _ in read_frames(path, limits=DecodeLimits(), short_side_px=240))


METHODS: Mapping[str, Callable[[Path], int]] = {
    REFERENCE: by_opencv,
    "PyAV, luma plane": by_pyav_luma,
    "PyAV, RGB by a kept reformatter": by_pyav_rgb,
    "read_frames (sandbox, RGB)": by_us,
    "read_frames (sandbox, RGB, short side 240)": by_us_scaled,
}


def cpu_s() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(os.environ.get("PFA_TEST_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, help="folder that holds videos")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    clips = sorted((options.data / "videos" / "ucf101_samples").rglob("*.avi"))
    print(f"{describe()}; {len(clips)} clips of UCF101, {options.rounds} rounds\n")
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for path in [path for _ in range(options.rounds) for path in clips]:
        for name, method in METHODS.items():
            wall, cpu = time.perf_counter(), cpu_s()
            count = method(path)
            rates[name].append((count / (time.perf_counter() - wall), count / (cpu_s() - cpu)))
    print("| method | frames/s (wall) | frames/s (CPU) | ratio (wall) | ratio (CPU) |\n|---|---|---|---|---|")
    for name, found in rates.items():
        ratios = [
            statistics.median(
                each[kind] / reference[kind] for each, reference in zip(found, rates[REFERENCE], strict=True)
            )
            for kind in (0, 1)
        ]
        medians = [statistics.median(each[kind] for each in found) for kind in (0, 1)]
        print(f"| {name} | {medians[0]:.0f} | {medians[1]:.0f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    begun = cpu_s()
    for path in clips:
        list(read_frames(path, limits=DecodeLimits(), indices=[0]))
    print(
        f"\nThe start of the sandbox and its first frame: {(cpu_s() - begun) / len(clips) * 1e3:.0f} ms (CPU) a video."
    )


if __name__ == "__main__":
    main()
