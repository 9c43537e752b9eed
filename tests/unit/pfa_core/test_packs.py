"""Packs: what goes in comes out, whatever happens on the way."""

import dataclasses
import json
import multiprocessing
import os
import pickle
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pfa_core.config.flow import PackConfig, fast, paper
from pfa_core.errors import PackDamaged, VideoTooShort, VideoUnreadable
from pfa_core.flow import luma, make_engine
from pfa_core.pack_fill import frames_with_flow
from pfa_core.pack_format import CONTENT, FORMAT
from pfa_core.packs import Pack, build_pack, pack_key
from pfa_core.progress import Progress, run_to_end
from pfa_core.quantize import dequantize, quantize
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.video_maker import moving_square, write_h264, write_lossless, write_mpeg4

LIMITS = DecodeLimits(timeout_s=60)
CONFIG = PackConfig(short_side_px=48, backend="dis", tvl1=fast(), bound_px=10.0)
SHA = "ab" * 32
NUM_FRAMES = 16


def build(video: Path, folder: Path, config: PackConfig = CONFIG) -> Pack:
    return run_to_end(build_pack(video, folder, config, video_sha256=SHA, limits=LIMITS), lambda _: None)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lossless(tmp_path_factory.mktemp("v") / "a.mkv", moving_square(num_frames=NUM_FRAMES, size=(48, 64)))


@pytest.fixture
def pack(video: Path, tmp_path: Path) -> Pack:
    return build(video, tmp_path / "pack")


def test_frames_and_flow_come_back(video: Path, pack: Pack) -> None:
    frames = list(read_frames(video, limits=LIMITS, short_side_px=48))
    engine = make_engine("dis", fast(), size=(48, 64))
    assert (pack.num_frames, pack.size, pack.bound_px, pack.video_sha256) == (NUM_FRAMES, (48, 64), 10.0, SHA)
    for i, frame in enumerate(frames):
        error = pack.frame(i).astype(int) - frame
        assert np.abs(error).mean() < 6  # JPEG with halved chroma, of blocks with sharp edges
        assert pack.frame(i).dtype == np.uint8
    for i in range(NUM_FRAMES - 1):
        flow = engine(luma(frames[i]), luma(frames[i + 1])).transpose(2, 0, 1)  # of the frames, not of the JPEGs
        np.testing.assert_array_equal(pack.flow(i), quantize(flow, bound_px=10.0))


def test_any_backend_can_make_a_pack(video: Path, tmp_path: Path) -> None:
    fused, batched = (
        build(video, tmp_path / name, dataclasses.replace(CONFIG, backend=name)) for name in ("fused", "torch")
    )
    assert fused.num_frames == batched.num_frames == NUM_FRAMES
    for i in range(NUM_FRAMES - 1):
        difference = fused.flow(i).astype(int) - batched.flow(i)
        assert np.abs(difference).mean() * fused.bound_px / 127 < 0.02


@pytest.mark.parametrize("at_once", [1, 4, 15, 100])
def test_batches_do_not_show(video: Path, at_once: int) -> None:
    frames = list(read_frames(video, limits=LIMITS, short_side_px=48))
    engine = make_engine("dis", fast(), size=(48, 64))
    found = list(frames_with_flow(iter(frames), CONFIG, at_once=at_once))
    assert [frame.tobytes() for frame, _ in found] == [frame.tobytes() for frame in frames]
    assert found[0][1] is None
    for i, (_, flow) in enumerate(found[1:]):
        assert flow is not None
        np.testing.assert_array_equal(flow, engine(luma(frames[i]), luma(frames[i + 1])))


def test_flow_block(pack: Pack) -> None:
    block = pack.flow_block(2, count=12, top=5, left=9, size=32)
    assert block.shape == (24, 32, 32)
    for i in range(12):
        np.testing.assert_array_equal(block[i], pack.flow(2 + i)[0, 5:37, 9:41])
        np.testing.assert_array_equal(block[12 + i], pack.flow(2 + i)[1, 5:37, 9:41])


def test_the_square_moves_as_it_was_drawn(pack: Pack) -> None:
    inside = dequantize(pack.flow(3)[:, 14:26, 12:24], bound_px=pack.bound_px)
    assert np.median(inside[0]) == pytest.approx(2, abs=0.3)
    assert np.median(inside[1]) == pytest.approx(0, abs=0.3)
    assert not pack.still
    assert 0.5 < pack.motion_px < 3


def test_what_lies_outside(pack: Pack) -> None:
    with pytest.raises(IndexError):
        pack.frame(NUM_FRAMES)
    with pytest.raises(IndexError):
        pack.frame(-1)
    with pytest.raises(IndexError):
        pack.flow(NUM_FRAMES - 1)
    with pytest.raises(IndexError):
        pack.flow_block(NUM_FRAMES - 12, count=12, top=0, left=0, size=16)
    with pytest.raises(IndexError, match="leaves the frame"):
        pack.flow_block(0, count=2, top=20, left=0, size=32)


def test_the_fused_backend_is_the_default(video: Path, tmp_path: Path) -> None:
    config = PackConfig(short_side_px=32, tvl1=paper())
    found = build(video, tmp_path / "pack", config)
    first, second = (luma(f) for f in read_frames(video, limits=LIMITS, short_side_px=32, indices=[4, 5]))
    reference = make_engine("opencv", paper(), size=(32, 43))(first, second)
    difference = dequantize(found.flow(4), bound_px=20.0) - reference.transpose(2, 0, 1)
    assert np.abs(difference).mean() < 0.03 + 20 / 254


def test_progress(video: Path, tmp_path: Path) -> None:
    steps: list[Progress] = []
    recipe = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS, expected_frames=NUM_FRAMES)
    run_to_end(recipe, steps.append)
    assert [s.step for s in steps] == [*range(1, NUM_FRAMES + 1), NUM_FRAMES]
    assert {s.total for s in steps} == {NUM_FRAMES}


def test_a_still_video_is_called_still(tmp_path: Path) -> None:
    frame = moving_square(num_frames=1, size=(64, 96))[0]
    assert build(write_mpeg4(tmp_path / "a.avi", [frame] * 8), tmp_path / "pack").still


def test_too_short(tmp_path: Path) -> None:
    video = write_h264(tmp_path / "a.mp4", moving_square(num_frames=1, size=(64, 64)))
    with pytest.raises(VideoTooShort):
        build(video, tmp_path / "packs" / "p")
    assert list((tmp_path / "packs").iterdir()) == []


def test_damage_in_the_video_leaves_nothing(test_data: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoUnreadable):
        build(test_data / "videos/edge_cases/none/corrupted.mp4", tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_pickles_as_its_folder(pack: Pack) -> None:
    data = pickle.dumps(pack)
    assert len(data) < 1000
    np.testing.assert_array_equal(pickle.loads(data).frame(3), pack.frame(3))


def test_holds_no_file_open(pack: Pack) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    packs = [Pack.open(pack.folder) for _ in range(20)]
    for each in packs:
        each.frame(0), each.flow(0)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# --- the key


def test_the_key_changes_with_all_that_shapes_a_pack() -> None:
    others = [
        dataclasses.replace(CONFIG, short_side_px=50),
        dataclasses.replace(CONFIG, backend="opencv"),
        dataclasses.replace(CONFIG, tvl1=paper()),
        dataclasses.replace(CONFIG, tvl1=dataclasses.replace(fast(), lambda_=0.2)),
        dataclasses.replace(CONFIG, bound_px=11.0),
        dataclasses.replace(CONFIG, jpeg_quality=90),
    ]
    keys = {pack_key(SHA, c) for c in [CONFIG, *others]} | {pack_key("cd" * 32, CONFIG)}
    keys |= {pack_key(SHA, CONFIG, layout=FORMAT + 1), pack_key(SHA, CONFIG, content=CONTENT + 1)}
    assert len(keys) == len(others) + 4
    assert pack_key(SHA, CONFIG) == pack_key(SHA, dataclasses.replace(CONFIG))
    assert len(pack_key(SHA, CONFIG)) == 64


# --- interrupted, repeated, and done twice at once


def test_closing_the_recipe_before_a_chunk_is_whole_leaves_nothing(video: Path, tmp_path: Path) -> None:
    recipe = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS)
    next(recipe), next(recipe)
    assert len(list(tmp_path.iterdir())) == 2  # chunks and the lock file
    recipe.close()
    assert list(tmp_path.iterdir()) == []


def test_a_whole_pack_is_taken_as_it_is(pack: Pack) -> None:
    stamp = (pack.folder / "pack.json").stat().st_mtime_ns
    again = build(Path("/no/such/video"), pack.folder)
    assert again.num_frames == NUM_FRAMES
    assert (pack.folder / "pack.json").stat().st_mtime_ns == stamp


def test_a_damaged_pack_is_replaced(video: Path, pack: Pack) -> None:
    (pack.folder / "flow.bin").write_bytes(b"")
    build(video, pack.folder)
    assert Pack.open(pack.folder).num_frames == NUM_FRAMES
    assert [p.name for p in pack.folder.parent.iterdir()] == ["pack"]


def _build_until_killed(video: Path, folder: Path, num_steps: int) -> None:
    recipe = build_pack(video, folder, CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=4)
    for _ in range(num_steps):
        next(recipe)
    os.kill(os.getpid(), 9)


def build_until_killed(video: Path, folder: Path, num_steps: int) -> None:
    victim = multiprocessing.get_context("spawn").Process(target=_build_until_killed, args=(video, folder, num_steps))
    victim.start()
    victim.join(60)
    assert victim.exitcode == -9


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_a_killed_builder_left_is_cleared_away(video: Path, tmp_path: Path) -> None:
    build_until_killed(video, tmp_path / "p", 1)
    assert len(list(tmp_path.iterdir())) == 2  # chunks and the lock file
    build(video, tmp_path / "p")
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


@pytest.mark.parametrize("chunk_frames", [1, 3, 8, NUM_FRAMES, NUM_FRAMES + 1])
def test_the_pack_does_not_depend_on_its_chunks(video: Path, pack: Pack, tmp_path: Path, chunk_frames: int) -> None:
    recipe = build_pack(video, tmp_path / "other", CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=chunk_frames)
    assert files(run_to_end(recipe, lambda _: None).folder) == files(pack.folder)


@pytest.mark.parametrize(
    ("num_steps", "kept"), [(2, 0), (5, 4), (9, 8), (NUM_FRAMES, 12), (NUM_FRAMES + 2, NUM_FRAMES)]
)
def test_a_killed_build_goes_on_from_its_last_whole_chunk(
    video: Path, pack: Pack, tmp_path: Path, num_steps: int, kept: int
) -> None:
    build_until_killed(video, tmp_path / "p", num_steps)
    heads = list((tmp_path / ".p.building").glob("*.json"))
    assert len(heads) == kept // 4 + (kept == NUM_FRAMES)  # the empty chunk says that the video is over
    steps: list[int] = []
    recipe = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=4)
    resumed = run_to_end(recipe, lambda progress: steps.append(progress.step))
    assert steps[0] == (kept or 1)
    assert files(resumed.folder) == files(pack.folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p", "pack"]


def test_a_build_that_was_closed_goes_on_too(video: Path, pack: Pack, tmp_path: Path) -> None:
    recipe = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=4)
    for _ in range(7):
        next(recipe)
    recipe.close()
    assert [p.name for p in (tmp_path / ".p.building").glob("*.json")] == ["000000000.json"]
    steps: list[int] = []
    again = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=4)
    assert files(run_to_end(again, lambda progress: steps.append(progress.step)).folder) == files(pack.folder)
    assert steps == [4, *range(5, NUM_FRAMES + 1), *[NUM_FRAMES] * 5]  # found, done, joined


@pytest.mark.parametrize("name", ["000000004.frames", "000000004.flow", "000000004.json"])
def test_a_damaged_chunk_is_done_again(video: Path, pack: Pack, tmp_path: Path, name: str) -> None:
    build_until_killed(video, tmp_path / "p", 14)
    damaged = tmp_path / ".p.building" / name
    data = damaged.read_bytes()
    damaged.write_bytes(data[:20] + bytes([data[20] ^ 1]) + data[21:])
    recipe = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS, chunk_frames=4)
    assert next(recipe).step == 4
    assert files(run_to_end(recipe, lambda _: None).folder) == files(pack.folder)


def test_chunks_of_another_configuration_are_not_used(video: Path, pack: Pack, tmp_path: Path) -> None:
    other = dataclasses.replace(CONFIG, jpeg_quality=50)
    recipe = build_pack(video, tmp_path / "p", other, video_sha256=SHA, limits=LIMITS, chunk_frames=4)
    for _ in range(7):
        next(recipe)
    recipe.close()
    assert files(build(video, tmp_path / "p").folder) == files(pack.folder)


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    def peak_bytes(num_frames: int) -> int:
        video = write_mpeg4(tmp_path / f"{num_frames}.avi", moving_square(num_frames=num_frames, size=(96, 128)))
        config = dataclasses.replace(CONFIG, short_side_px=96)
        recipe = build_pack(video, tmp_path / str(num_frames), config, video_sha256=SHA, limits=LIMITS, chunk_frames=16)
        tracemalloc.start()
        run_to_end(recipe, lambda _: None)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(4)  # imports
    short, long = peak_bytes(40), peak_bytes(400)
    assert long - short < 360 * 200  # some numbers a frame; a frame has 36 864 bytes


def _build_and_count(video: Path, folder: Path, ready: Path, answers: "multiprocessing.SimpleQueue[int]") -> None:
    """Build when told to; answers how many frames this process has worked on."""
    while not ready.exists():
        os.sched_yield()
    steps: list[int] = []
    recipe = build_pack(video, folder, CONFIG, video_sha256=SHA, limits=LIMITS)
    found = run_to_end(recipe, lambda progress: steps.append(progress.step))
    assert found.num_frames == NUM_FRAMES
    answers.put(len([step for step in steps if step > 0]))


def test_two_processes_compute_a_pack_once(video: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    builders = [
        context.Process(target=_build_and_count, args=(video, tmp_path / "packs" / "p", tmp_path / "ready", answers))
        for _ in range(2)
    ]
    for builder in builders:
        builder.start()
    (tmp_path / "ready").touch()
    worked = sorted(answers.get() for _ in builders)
    for builder in builders:
        builder.join(60)
    assert worked[0] == 0
    assert worked[1] > NUM_FRAMES
    assert [p.name for p in (tmp_path / "packs").iterdir()] == ["p"]


def test_who_waits_takes_over_the_finished_pack(video: Path, tmp_path: Path) -> None:
    first = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS)
    next(first)
    second = build_pack(Path("/no/such/video"), tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS)
    assert next(second).step == 0
    assert next(second).step == 0
    made = run_to_end(first, lambda _: None)
    inode = made.folder.stat().st_ino
    assert run_to_end(second, lambda _: None).folder.stat().st_ino == inode


def test_who_waits_for_one_that_is_killed_builds_it(video: Path, tmp_path: Path) -> None:
    first = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS)
    next(first)
    second = build_pack(video, tmp_path / "p", CONFIG, video_sha256=SHA, limits=LIMITS)
    assert next(second).step == 0
    first.close()
    assert run_to_end(second, lambda _: None).num_frames == NUM_FRAMES
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


# --- damage on disk


def flips(path: Path) -> Iterator[None]:
    """Flip a bit at several places, one at a time, undoing each."""
    data = path.read_bytes()
    for at in np.linspace(0, len(data) - 1, 9).astype(int):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        yield
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["frames.bin", "flow.bin", "index.bin", "pack.json"])
def test_every_flipped_bit_is_found(pack: Pack, name: str) -> None:
    for _ in flips(pack.folder / name):
        with pytest.raises(PackDamaged):
            Pack.open(pack.folder)
    assert Pack.open(pack.folder).num_frames == NUM_FRAMES


@pytest.mark.parametrize("name", ["frames.bin", "flow.bin", "index.bin", "pack.json"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_short_or_missing_file_is_found_without_reading_it(pack: Pack, name: str, verify: bool) -> None:
    path = pack.folder / name
    data = path.read_bytes()
    for left in (data[:-1], data + b"x" if name != "pack.json" else b"{}", b""):
        path.write_bytes(left)
        with pytest.raises(PackDamaged):
            Pack.open(pack.folder, verify=verify)
    path.unlink()
    with pytest.raises(PackDamaged):
        Pack.open(pack.folder, verify=verify)


def test_damage_behind_an_open_packs_back(pack: Pack) -> None:
    for _ in flips(pack.folder / "flow.bin"):
        damaged = 0
        for i in range(NUM_FRAMES - 1):
            try:
                pack.flow(i)
            except PackDamaged:
                damaged += 1
        assert damaged == 1
    (pack.folder / "frames.bin").write_bytes(b"\0" * (pack.folder / "frames.bin").stat().st_size)
    with pytest.raises(PackDamaged):
        pack.frame(0)
    (pack.folder / "frames.bin").unlink()
    with pytest.raises(PackDamaged):
        pack.frame(0)


def test_offsets_that_lie(pack: Pack) -> None:
    index = pack.folder / "index.bin"
    offsets = np.frombuffer(index.read_bytes(), "<u8").copy()
    offsets[3] = 2**62
    index.write_bytes(offsets.tobytes())
    with pytest.raises(PackDamaged, match="does not fit"):
        Pack.open(pack.folder, verify=False)


def test_a_newer_layout_is_refused(pack: Pack) -> None:
    header = json.loads((pack.folder / "pack.json").read_text())
    (pack.folder / "pack.json").write_text(json.dumps({**header, "format": 2}))
    with pytest.raises(PackDamaged, match="layout 2"):
        Pack.open(pack.folder)


def test_an_absent_pack(tmp_path: Path) -> None:
    with pytest.raises(PackDamaged):
        Pack.open(tmp_path / "none")


def test_size_goals_on_a_real_clip(test_data: Path, tmp_path: Path) -> None:
    clip = next((test_data / "videos/ucf101_samples/ApplyEyeMakeup").glob("*.avi"))
    found = build(clip, tmp_path / "p", PackConfig(short_side_px=240, backend="dis", tvl1=fast()))
    as_half_floats = (found.num_frames - 1) * 2 * 2 * 240 * 320
    assert (found.folder / "flow.bin").stat().st_size <= as_half_floats / 10
