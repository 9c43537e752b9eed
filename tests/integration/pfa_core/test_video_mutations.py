"""Damaged videos by the hundred, through the real sandbox: each gives frames or an error that names what is wrong.

The clips are small and only their first frames are decoded, so a mutation costs little more than starting its process.
"""

import os
import resource
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from math import isfinite
from pathlib import Path

import numpy as np
import pytest

from pfa_core.errors import DecodeTimeout, InputError, VideoTooLarge, VideoUnreadable, VideoUnsupported
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from tests.processes import children_of
from tests.unit.pfa_core.video_maker import moving_square, write_h264, write_lossless, write_mpeg4, write_vp9

MUTATIONS_PER_CLIP = 52
LIMITS = DecodeLimits(max_pixels=2**21, max_frames=10_000, timeout_s=20, memory_bytes=2**30)
FIRST_FRAMES = range(6)
PARENT_GROWTH_BYTES = 256 * 2**20
"""Frames are at most 6 MB here, and two threads hold one each."""
CODES = {error.code for error in (VideoUnsupported, VideoUnreadable, VideoTooLarge, DecodeTimeout)}
REAL_CLIPS = (
    "edge_cases/none/video_90.mov",
    "edge_cases/none/unordered.mov",
    "weizmann/wave1/lena_wave1.avi",
    "ut_interaction/point/22_4_3.avi",
    "asl_gestures/milk/milk.mkv",
)

Mutation = Callable[[bytearray, np.random.Generator], bytearray]


def truncated(data: bytearray, rng: np.random.Generator) -> bytearray:
    """The upload was cut off."""
    return data[: rng.integers(1, len(data))]


def bits_flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """1 to 64 bits, anywhere."""
    for place in rng.integers(0, len(data), size=2 ** rng.integers(0, 7)):
        data[place] ^= 1 << rng.integers(0, 8)
    return data


def head_flipped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Bits among the first kilobyte and the last, where containers keep their tables."""
    near = min(1024, len(data) // 2)
    for place in rng.integers(-near, near, size=2 ** rng.integers(0, 4)):
        data[place] ^= 1 << rng.integers(0, 8)
    return data


def blocks_swapped(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Two blocks change places."""
    size = int(rng.integers(1, max(2, min(4096, len(data) // 4))))
    first, second = sorted(int(place) for place in rng.integers(0, len(data) - size, size=2))
    data[first : first + size], data[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )
    return data


def block_zeroed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """A sector was lost."""
    size = int(rng.integers(1, max(2, min(4096, len(data) // 4))))
    first = int(rng.integers(0, len(data) - size))
    data[first : first + size] = bytes(size)
    return data


def header_zeroed(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Part of the first half kilobyte is gone; the magic bytes mostly stay, so that a demuxer is chosen."""
    first = int(rng.integers(0, 3)) * 12
    size = int(rng.integers(4, min(512, len(data) // 2)))
    data[first : first + size] = bytes(size)
    return data


def extremes_written(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Some 32-bit words become all ones or the largest signed number: lengths, counts and sizes that lie."""
    for place in rng.integers(12, len(data) - 4, size=2 ** rng.integers(0, 5)):
        data[place : place + 4] = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")[rng.integers(0, 3)]
    return data


MUTATIONS: tuple[Mutation, ...] = (
    truncated, bits_flipped, head_flipped, blocks_swapped, block_zeroed, header_zeroed, extremes_written,
)  # fmt: skip


def encoded_clips(folder: Path) -> list[Path]:
    """A clip of each container, and of each way of coding that one meets."""
    frames = moving_square(num_frames=12, size=(48, 64))
    return [
        write_h264(folder / "a.mp4", frames),
        write_h264(folder / "b.mkv", frames),
        write_mpeg4(folder / "c.avi", frames),
        write_lossless(folder / "d.mkv", frames),
        write_vp9(folder / "e.webm", frames),
    ]


def mutants(clips: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Each clip in MUTATIONS_PER_CLIP damaged versions, always the same."""
    for clip_number, clip in enumerate(clips):
        whole = clip.read_bytes()
        for number in range(MUTATIONS_PER_CLIP):
            mutation = MUTATIONS[number % len(MUTATIONS)]
            rng = np.random.default_rng((clip_number, number))
            yield f"{clip.name}: {mutation.__name__} {number}", bytes(mutation(bytearray(whole), rng))


def outcome(path: Path, *, whole_look: bool) -> str:
    """What becomes of a file: `frames` (or `probed`), or the code of its error. Anything else is raised."""
    try:
        if whole_look:
            info = probe(path, limits=LIMITS)
            assert 0 < info.num_frames <= LIMITS.max_frames
            assert 0 < info.width_px * info.height_px <= LIMITS.max_pixels
            assert 0 <= info.duration_s <= LIMITS.max_duration_s
            assert info.fps >= 0
            assert isfinite(info.fps)
            return "probed"
        with closing(read_frames(path, limits=LIMITS, indices=FIRST_FRAMES)) as frames:
            for frame in frames:
                assert frame.dtype == np.uint8
                assert 0 < frame.shape[0] * frame.shape[1] <= LIMITS.max_pixels
        return "frames"
    except InputError as error:
        return error.code


def children() -> set[int]:
    """Processes started by this one that exist, zombies too."""
    return set(children_of(os.getpid()))


def most_bytes(who: int) -> int:
    """The largest resident size that this process (or any child that ended) ever had."""
    return resource.getrusage(who).ru_maxrss * 1024


def tried(cases: list[tuple[str, bytes]], folder: Path) -> Counter[str]:
    """Outcomes of all cases, two at a time; a failure names its case."""

    def attempt(case: tuple[int, tuple[str, bytes]]) -> str:
        number, (name, content) = case
        path = folder / f"{threading.get_ident()}.mp4"  # one file a thread, written over again and again
        path.write_bytes(content)
        try:
            return outcome(path, whole_look=number % 2 == 0)
        except Exception as error:
            raise AssertionError(f"{name} ended with {error!r}") from error

    with ThreadPoolExecutor(2) as pool:
        return Counter(pool.map(attempt, enumerate(cases)))


def check(clips: list[Path], folder: Path) -> None:
    before, parent_bytes = children(), most_bytes(resource.RUSAGE_SELF)
    largest_before = most_bytes(resource.RUSAGE_CHILDREN)  # of all children so far, other tests' included
    cases = list(mutants(clips))
    assert len(cases) == len(clips) * MUTATIONS_PER_CLIP
    outcomes = tried(cases, folder)
    assert outcomes.total() == len(cases)
    assert set(outcomes) <= {"frames", "probed", *CODES}
    assert children() == before
    assert most_bytes(resource.RUSAGE_SELF) - parent_bytes < PARENT_GROWTH_BYTES
    assert most_bytes(resource.RUSAGE_CHILDREN) <= max(largest_before, LIMITS.memory_bytes)
    # The mutations are worth something: some spoil nothing, others spoil all, and few are stopped at the door.
    assert outcomes["frames"] > 10
    assert outcomes["video_unreadable"] > 10
    assert outcomes["video_unsupported"] < len(cases) / 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the damaged files lie."""
    (tmp_path / "mutants").mkdir()
    return tmp_path / "mutants"


def test_damaged_versions_of_clips_of_every_container(tmp_path: Path, folder: Path) -> None:
    check(encoded_clips(tmp_path), folder)


def test_damaged_versions_of_real_clips(test_data: Path, folder: Path) -> None:
    check([test_data / "videos" / name for name in REAL_CLIPS], folder)
