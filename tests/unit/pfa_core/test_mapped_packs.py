"""The mapped form of a pack: the same bytes, whatever happens on the way."""

import dataclasses
import errno
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pfa_core.config.flow import PackConfig, fast
from pfa_core.errors import PackDamaged
from pfa_core.mapped_packs import ClipTensors, map_pack, num_bytes, reserve_bytes
from pfa_core.pack_format import digest
from pfa_core.packs import Pack, build_pack
from pfa_core.progress import Progress, run_to_end
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.disk import full_disk
from tests.unit.pfa_core.video_maker import moving_square, write_lossless

CONFIG = PackConfig(short_side_px=48, backend="dis", tvl1=fast(), bound_px=10.0)
NUM_FRAMES, SIZE = 16, (48, 64)
FILES = ["frames.u8", "flow.i8", "mapped.json"]


def build(video: Path, folder: Path, config: PackConfig) -> Pack:
    steps = build_pack(video, folder, config, video_sha256="ab" * 32, limits=DecodeLimits(timeout_s=60))
    return run_to_end(steps, lambda _: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Pack]:
    """Packs of one video, by the quality of their JPEGs."""
    folder = tmp_path_factory.mktemp("made")
    video = write_lossless(folder / "a.mkv", moving_square(num_frames=NUM_FRAMES, size=SIZE))
    return {
        quality: build(video, folder / str(quality), dataclasses.replace(CONFIG, jpeg_quality=quality))
        for quality in (60, 95)
    }


@pytest.fixture
def pack(made: dict[int, Pack], tmp_path: Path) -> Pack:
    return Pack.open(shutil.copytree(made[95].folder, tmp_path / "packs" / "p"))


@pytest.fixture
def place(pack: Pack) -> Path:
    """Where its mapped form belongs."""
    return pack.folder.with_name("p.mapped")


def mapped(pack: Pack, *, keep_free_bytes: int = 0) -> ClipTensors:
    return run_to_end(map_pack(pack, keep_free_bytes=keep_free_bytes), lambda _: None)


def assert_same(found: ClipTensors, pack: Pack) -> None:
    np.testing.assert_array_equal(found.frames.numpy(), [pack.frame(i) for i in range(NUM_FRAMES)])
    np.testing.assert_array_equal(found.flows.numpy(), [pack.flow(i) for i in range(NUM_FRAMES - 1)])


def names(pack: Pack) -> list[str]:
    return sorted(path.name for path in pack.folder.parent.iterdir())


def test_it_holds_what_the_pack_holds(pack: Pack, place: Path) -> None:
    found = mapped(pack)
    assert found.frames.shape == (NUM_FRAMES, *SIZE, 3)
    assert found.flows.shape == (NUM_FRAMES - 1, 2, *SIZE)
    assert_same(found, pack)
    assert names(pack) == ["p", "p.mapped"]
    assert (place / "frames.u8").read_bytes() == b"".join(pack.frame(i).tobytes() for i in range(NUM_FRAMES))
    assert num_bytes(pack) == sum((place / name).stat().st_size for name in FILES[:2])


def test_it_is_made_once(pack: Pack, place: Path) -> None:
    mapped(pack)
    before = (place.stat().st_ino, (place / "frames.u8").stat().st_mtime_ns)
    os.utime(place, (0, 0))
    assert list(map_pack(pack)) == []
    assert (place.stat().st_ino, (place / "frames.u8").stat().st_mtime_ns) == before
    assert place.stat().st_mtime > 0  # asking for it is using it


def test_it_holds_no_file_open_and_outlives_its_removal(pack: Pack, place: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    found = [mapped(pack) for _ in range(5)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    shutil.rmtree(place)
    assert_same(found[0], pack)


# --- damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def grown(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def torn(path: Path) -> None:
    """What a power cut makes of a file whose second half was never written."""
    half = path.stat().st_size // 2
    path.write_bytes(path.read_bytes()[:half] + bytes(half))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", [cut, grown, flipped, torn, emptied, Path.unlink])
def test_damage_is_found_and_it_is_made_again(pack: Pack, place: Path, name: str, harm: Callable[[Path], None]) -> None:
    mapped(pack)
    whole = {path.name: path.read_bytes() for path in place.iterdir()}
    harm(place / name)
    assert len(list(map_pack(pack))) > 0
    assert_same(mapped(pack), pack)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == whole
    assert names(pack) == ["p", "p.mapped"]


def test_that_of_another_pack_in_its_place_is_not_used(made: dict[int, Pack], pack: Pack, place: Path) -> None:
    mapped(made[60])
    shutil.copytree(made[60].folder.with_name("60.mapped"), place)
    assert_same(mapped(pack), pack)
    assert not np.array_equal(made[60].frame(0), pack.frame(0))


def test_what_another_decoder_made_is_made_again(pack: Pack, place: Path) -> None:
    mapped(pack)
    header = json.loads((place / "mapped.json").read_text())
    assert header.pop("sha256")
    header["decoder"] = "opencv 0.0"
    (place / "mapped.json").write_text(json.dumps({**header, "sha256": digest(header)}))
    mapped(pack)
    assert json.loads((place / "mapped.json").read_text())["decoder"] != "opencv 0.0"


def test_damage_in_the_pack_is_not_passed_on(pack: Pack) -> None:
    flow = pack.folder / "flow.bin"
    data = bytearray(flow.read_bytes())
    data[len(data) // 2] ^= 1
    flow.write_bytes(data)
    with pytest.raises(PackDamaged):
        mapped(pack)
    assert names(pack) == ["p"]


# --- no room


def test_the_reserve_is_left_free(pack: Pack) -> None:
    total, _, free = shutil.disk_usage(pack.folder)
    assert reserve_bytes(pack.folder) >= max(total // 10, 4 << 30)
    with pytest.raises(OSError, match="kept in reserve") as caught:
        mapped(pack, keep_free_bytes=free + (1 << 40))
    assert caught.value.errno == errno.ENOSPC
    assert names(pack) == ["p"]


def test_a_disk_that_fills_up_leaves_nothing_behind(pack: Pack) -> None:
    with full_disk(after_bytes=NUM_FRAMES * 48 * 64 * 3 - 1), pytest.raises(OSError, match="too large") as caught:
        mapped(pack)
    assert caught.value.errno == errno.EFBIG
    assert names(pack) == ["p"]
    assert_same(mapped(pack), pack)


# --- interrupted, and done twice at once


def test_closing_it_half_way_leaves_nothing(pack: Pack) -> None:
    steps = map_pack(pack)
    next(steps)
    assert names(pack) == [".p.lock", ".p.mapping", "p"]
    steps.close()
    assert names(pack) == ["p"]


def _map_until_killed(folder: Path) -> None:
    steps = map_pack(Pack.open(folder))
    next(steps)
    os.kill(os.getpid(), 9)


def test_what_a_killed_builder_left_is_cleared_away(pack: Pack) -> None:
    victim = multiprocessing.get_context("spawn").Process(target=_map_until_killed, args=(pack.folder,))
    victim.start()
    victim.join(60)
    assert victim.exitcode == -9
    assert ".p.mapping" in names(pack)
    assert_same(mapped(pack), pack)
    assert names(pack) == ["p", "p.mapped"]


def test_who_waits_takes_over_the_finished_one(pack: Pack, place: Path) -> None:
    alive = Progress(phase="load", step=3, total=7)
    first, second = map_pack(pack), map_pack(pack, alive=alive)
    next(first)
    assert next(second) == alive
    run_to_end(first, lambda _: None)
    inode = place.stat().st_ino
    assert list(second) == []
    assert place.stat().st_ino == inode


def test_who_waits_for_one_that_stops_makes_it(pack: Pack) -> None:
    first, second = map_pack(pack), map_pack(pack)
    next(first)
    next(second)
    first.close()
    assert_same(run_to_end(second, lambda _: None), pack)


def _map_and_answer(folder: Path, ready: Path, answers: "multiprocessing.SimpleQueue[int]") -> None:
    while not ready.exists():
        os.sched_yield()
    found = run_to_end(map_pack(Pack.open(folder)), lambda _: None)
    answers.put(int(found.frames.sum()))


def test_two_processes_at_once(pack: Pack, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    arguments = (pack.folder, tmp_path / "ready", answers)
    builders = [context.Process(target=_map_and_answer, args=arguments) for _ in range(2)]
    for builder in builders:
        builder.start()
    (tmp_path / "ready").touch()
    sums = {answers.get() for _ in builders}
    for builder in builders:
        builder.join(60)
        assert builder.exitcode == 0
    assert sums == {sum(int(pack.frame(i).astype(int).sum()) for i in range(NUM_FRAMES))}
    assert names(pack) == ["p", "p.mapped"]
