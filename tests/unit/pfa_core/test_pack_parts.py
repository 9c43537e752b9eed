"""Parts of a pack, each made by itself: together they are the pack that one builder makes, byte by byte."""

import multiprocessing
import os
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pfa_core.config.flow import PackConfig, fast
from pfa_core.errors import VideoTooShort, VideoUnreadable
from pfa_core.packs import Pack, build_pack, build_part
from pfa_core.progress import Progress, run_to_end
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.video_maker import moving_square, write_at, write_h264, write_lossless, write_mpeg4

LIMITS = DecodeLimits(timeout_s=60)
CONFIG = PackConfig(short_side_px=32, backend="dis", tvl1=fast(), bound_px=10.0)
SHA = "ab" * 32
NUM_FRAMES = 40
FRAMES = moving_square(num_frames=NUM_FRAMES, size=(48, 64))
TIMES_MS = np.cumsum(np.random.default_rng(3).integers(5, 90, NUM_FRAMES)).tolist()
CHUNK_FRAMES = 4
OFTEN = {"g": "8"}

Range = tuple[int, int | None]
PARTS: list[Range] = [(0, 15), (15, 15), (30, None)]

VIDEOS: dict[str, Callable[[Path], Path]] = {
    "any_time.mp4": lambda p: write_at(p, FRAMES, TIMES_MS, key_frames_apart=7),
    "rotated.mov": lambda p: write_h264(p, FRAMES, rotation_deg=90, options={**OFTEN, "bf": "2"}),
    "wide_pixels.mkv": lambda p: write_h264(p, FRAMES, pixel_aspect=Fraction(4, 3), options=OFTEN),
    "without_times.avi": lambda p: write_mpeg4(p, FRAMES, options=OFTEN),
}


def build(video: Path, folder: Path) -> Pack:
    return run_to_end(
        build_pack(video, folder, CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=CHUNK_FRAMES), lambda _: None
    )


def part(video: Path, folder: Path, which: Range) -> tuple[bool, list[int]]:
    """Make a part; whether it is done, and the steps on the way."""
    steps: list[int] = []
    recipe = begun(video, folder, which)
    return run_to_end(recipe, lambda progress: steps.append(progress.step)), steps


def begun(video: Path, folder: Path, which: Range) -> Generator[Progress, None, bool]:
    first_frame, num_frames = which
    return build_part(
        video, folder, CONFIG, video_sha256=SHA, limits=LIMITS,
        first_frame=first_frame, num_frames=num_frames, chunk_frames=CHUNK_FRAMES,
    )  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def work_of_joining(video: Path, folder: Path) -> tuple[Pack, int]:
    """Put a pack together; also how many frames were made on the way, not found."""
    steps: list[int] = []
    recipe = build_pack(video, folder, CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=CHUNK_FRAMES)
    pack = run_to_end(recipe, lambda progress: steps.append(progress.step))
    return pack, len(set(steps)) - 1


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lossless(tmp_path_factory.mktemp("v") / "a.mkv", FRAMES)


@pytest.fixture(scope="module")
def pack(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """By a single builder."""
    return build(video, tmp_path_factory.mktemp("p") / "pack")


@pytest.mark.parametrize("name", VIDEOS)
def test_parts_make_the_pack_that_one_builder_makes(tmp_path: Path, name: str) -> None:
    video = VIDEOS[name](tmp_path / name)
    alone = build(video, tmp_path / "alone")
    for which in (PARTS[2], PARTS[0], PARTS[1]):
        done, steps = part(video, tmp_path / "p", which)
        length = which[1] or NUM_FRAMES - which[0]
        assert done
        assert steps == [*range(1, length + 1)]
    joined, made = work_of_joining(Path("/no/such/video"), tmp_path / "p")
    assert made == 0
    assert files(joined.folder) == files(alone.folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "alone", "p"])


@pytest.mark.parametrize("parts", [[(0, 40), (40, None)], [(0, 30), (30, 30), (60, None)], [(0, 12), (12, None)]])
def test_a_video_may_end_before_or_after_it_was_thought_to(
    video: Path, pack: Pack, tmp_path: Path, parts: list[Range]
) -> None:
    for which in reversed(parts):
        assert part(video, tmp_path / "p", which)[0]
    joined, made = work_of_joining(Path("/no/such/video"), tmp_path / "p")
    assert made == 0
    assert files(joined.folder) == files(pack.folder)


def test_a_part_past_the_end_is_not_decoded_for_twice(video: Path, tmp_path: Path) -> None:
    assert part(video, tmp_path / "p", (60, None)) == (True, [])
    assert part(Path("/no/such/video"), tmp_path / "p", (60, None)) == (True, [])


@pytest.mark.parametrize("missing", PARTS)
def test_who_puts_it_together_makes_what_is_missing(video: Path, pack: Pack, tmp_path: Path, missing: Range) -> None:
    for which in PARTS:
        if which != missing:
            part(video, tmp_path / "p", which)
    assert files(build(video, tmp_path / "p").folder) == files(pack.folder)


def test_a_part_that_was_miscounted_is_not_used(pack: Pack, video: Path, tmp_path: Path) -> None:
    """Its builder was one frame off, as one is that enters a file whose times are wrong."""
    off_by_one = write_lossless(tmp_path / "off.mkv", FRAMES[1:])
    part(video, tmp_path / "p", PARTS[0])
    part(off_by_one, tmp_path / "p", PARTS[1])
    part(video, tmp_path / "p", PARTS[2])
    assert files(build(video, tmp_path / "p").folder) == files(pack.folder)


@pytest.mark.parametrize("still", [False, True])
def test_equal_pictures_do_not_hide_a_miscount(tmp_path: Path, still: bool) -> None:
    """Where nothing moves, only the time tells one frame from the next."""
    frames = [FRAMES[0]] * 20 if still else FRAMES[:20]
    video = write_at(tmp_path / "a.mp4", frames, TIMES_MS[:20], key_frames_apart=5)
    off_by_one = write_at(tmp_path / "b.mp4", frames[1:], TIMES_MS[1:20], key_frames_apart=5)
    part(video, tmp_path / "p", (0, 10))
    part(off_by_one, tmp_path / "p", (10, None))
    joined, made = work_of_joining(video, tmp_path / "p")
    assert made == 10
    assert files(joined.folder) == files(build(video, tmp_path / "alone").folder)


@pytest.mark.parametrize("first_frame", [0, 15])
def test_chunks_of_another_decoder_are_not_gone_on_from(
    pack: Pack, video: Path, tmp_path: Path, first_frame: int
) -> None:
    brighter = [np.minimum(frame, 245) + np.uint8(10) for frame in FRAMES]
    other = write_lossless(tmp_path / "other.mkv", brighter)
    part(other, tmp_path / "p", (first_frame, CHUNK_FRAMES))
    for which in PARTS:
        assert part(video, tmp_path / "p", which)[0]
    joined, made = work_of_joining(video, tmp_path / "p")
    assert made == 0
    assert files(joined.folder) == files(pack.folder)


# --- beside others


def test_nobody_makes_a_part_that_another_makes(video: Path, pack: Pack, tmp_path: Path) -> None:
    first = begun(video, tmp_path / "p", PARTS[1])
    next(first)
    assert part(video, tmp_path / "p", PARTS[1]) == (False, [])
    assert part(video, tmp_path / "p", PARTS[0])[0]
    joining = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=CHUNK_FRAMES)
    assert next(joining).step == 0
    assert next(joining).step == 0
    assert run_to_end(first, lambda _: None)
    assert part(video, tmp_path / "p", PARTS[1]) == (True, []), "it is found"
    next(joining)
    assert part(video, tmp_path / "p", PARTS[2]) == (False, []), "the pack is being made"
    assert files(run_to_end(joining, lambda _: None).folder) == files(pack.folder)
    assert part(Path("/no/such/video"), tmp_path / "p", PARTS[2]) == (True, [])
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def _part_until_killed(video: Path, folder: Path, num_steps: int) -> None:
    recipe = begun(video, folder, PARTS[1])
    for _ in range(num_steps):
        next(recipe)
    os.kill(os.getpid(), 9)


def test_a_killed_part_goes_on_from_its_last_whole_chunk(video: Path, pack: Pack, tmp_path: Path) -> None:
    victim = multiprocessing.get_context("spawn").Process(target=_part_until_killed, args=(video, tmp_path / "p", 10))
    victim.start()
    victim.join(60)
    assert victim.exitcode == -9
    assert part(video, tmp_path / "p", PARTS[1]) == (True, [8, *range(9, 16)])
    for which in PARTS:
        part(video, tmp_path / "p", which)
    assert files(build(video, tmp_path / "p").folder) == files(pack.folder)


def _make_parts(video: Path, folder: Path, ready: Path, answers: "multiprocessing.SimpleQueue[int]") -> None:
    """Make whatever part nobody has, then put the pack together; answers how many frames this process has made."""
    while not ready.exists():
        os.sched_yield()
    left = {(first_frame, 5) for first_frame in range(0, 35, 5)} | {(35, None)}
    made = 0
    while left:
        for which in sorted(left, key=str):
            done, steps = part(video, folder, which)
            made += len(steps)
            left -= {which} if done else set()
    assert build(video, folder).num_frames == NUM_FRAMES
    answers.put(made)


def test_processes_share_the_frames_of_one_video(video: Path, pack: Pack, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    builders = [
        context.Process(target=_make_parts, args=(video, tmp_path / "packs" / "p", tmp_path / "ready", answers))
        for _ in range(2)
    ]
    for builder in builders:
        builder.start()
    (tmp_path / "ready").touch()
    made = [answers.get() for _ in builders]
    for builder in builders:
        builder.join(60)
    assert sum(made) == NUM_FRAMES
    assert files(tmp_path / "packs" / "p") == files(pack.folder)
    assert [p.name for p in (tmp_path / "packs").iterdir()] == ["p"]


# --- videos that cannot be used


def test_a_damaged_video_leaves_nothing(tmp_path: Path) -> None:
    video = write_mpeg4(tmp_path / "v.avi", FRAMES, options=OFTEN)
    data = bytearray(video.read_bytes())
    at = len(data) * 3 // 4
    data[at : at + 2000] = b"\xff" * len(data[at : at + 2000])
    video.write_bytes(data)
    packs = tmp_path / "packs"
    busy = begun(video, packs / "p", PARTS[0])
    next(busy)
    with pytest.raises(VideoUnreadable):
        part(video, packs / "p", PARTS[2])
    assert packs.exists(), "another is at work in it"
    busy.close()
    with pytest.raises(VideoUnreadable):
        build(video, packs / "p")
    assert list(packs.iterdir()) == []
    with pytest.raises(VideoUnreadable):
        part(video, packs / "p", PARTS[2])
    assert list(packs.iterdir()) == []


def test_a_video_of_one_frame(tmp_path: Path) -> None:
    video = write_h264(tmp_path / "a.mp4", FRAMES[:1])
    for which in PARTS:
        assert part(video, tmp_path / "packs" / "p", which)[0]
    with pytest.raises(VideoTooShort):
        build(video, tmp_path / "packs" / "p")
    assert list((tmp_path / "packs").iterdir()) == []
