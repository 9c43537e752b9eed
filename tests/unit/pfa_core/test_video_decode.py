"""Frames of real videos that are encoded here: what was put in comes out."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pfa_core.errors import ConfigInvalid, VideoTooLarge, VideoUnreadable, VideoUnsupported
from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from tests.unit.pfa_core.video_maker import moving_square, write_at, write_h264, write_lossless, write_mpeg4

LIMITS = DecodeLimits(timeout_s=60)


def test_lossless_video_comes_back_exactly_whatever_its_line_padding(tmp_path: Path) -> None:
    frames = moving_square(num_frames=7, size=(50, 74))  # 3 * 74 bytes a line: padded in the decoder's buffers
    found = list(read_frames(write_lossless(tmp_path / "a.mkv", frames), limits=LIMITS))
    np.testing.assert_array_equal(np.stack(found), np.stack(frames))
    assert all(frame.flags.c_contiguous and frame.dtype == np.uint8 for frame in found)


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_h264_in_every_container_that_holds_it(tmp_path: Path, name: str) -> None:
    frames = moving_square(num_frames=9, size=(64, 96))
    found = list(read_frames(write_h264(tmp_path / name, frames), limits=LIMITS))
    assert len(found) == 9
    error = np.abs(np.stack(found).astype(int) - np.stack(frames)).mean()
    assert error < 8  # of 255: lossy, but these frames in this order


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    path = write_mpeg4(tmp_path / "a.avi", moving_square(num_frames=4, size=(48, 64)))
    assert len(list(read_frames(path.rename(tmp_path / "a.mp4"), limits=LIMITS))) == 4


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotation_is_undone(tmp_path: Path, turn: int) -> None:
    frames = moving_square(num_frames=3, size=(64, 96))
    path = write_h264(tmp_path / "a.mp4", frames, rotation_deg=turn)
    upright = np.rot90(frames[1], k=-turn // 90)  # np.rot90 turns counter-clockwise
    found = list(read_frames(path, limits=LIMITS))[1]
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).mean() < 8


@pytest.mark.parametrize(("size", "turn", "expected"), [
    ((120, 160), 0, (60, 80)), ((160, 120), 0, (80, 60)), ((120, 160), 90, (80, 60)), ((40, 50), 0, (60, 75)),
])  # fmt: skip
def test_the_short_side_is_scaled(tmp_path: Path, size: tuple[int, int], turn: int, expected: tuple[int, int]) -> None:
    path = write_h264(tmp_path / "a.mp4", moving_square(num_frames=2, size=size), rotation_deg=turn)
    assert [f.shape for f in read_frames(path, limits=LIMITS, short_side_px=60)] == [(*expected, 3)] * 2


@pytest.mark.parametrize(("aspect", "turn", "expected"), [
    (Fraction(2, 1), 0, (64, 192)), (Fraction(1, 2), 0, (64, 48)), (Fraction(2, 1), 90, (192, 64)),
    (Fraction(64, 1), 0, (64, 96)),
])  # fmt: skip
def test_pixels_that_are_not_square_are_stretched(
    tmp_path: Path, aspect: Fraction, turn: int, expected: tuple[int, int]
) -> None:
    frames = moving_square(num_frames=2, size=(64, 96))
    path = write_h264(tmp_path / "a.mov", frames, pixel_aspect=aspect, rotation_deg=turn)
    assert [frame.shape for frame in read_frames(path, limits=LIMITS)] == [(*expected, 3)] * 2
    info = probe(path, limits=LIMITS)
    assert (info.height_px, info.width_px) == expected


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_the_short_side_is_that_of_square_pixels(tmp_path: Path, name: str) -> None:
    frames = moving_square(num_frames=2, size=(64, 96))
    path = write_h264(tmp_path / name, frames, pixel_aspect=Fraction(1, 2))
    assert next(read_frames(path, limits=LIMITS, short_side_px=96)).shape == (128, 96, 3)


def test_a_stretched_frame_may_be_too_large(tmp_path: Path) -> None:
    frames = moving_square(num_frames=1, size=(64, 96))
    path = write_h264(tmp_path / "a.mp4", frames, pixel_aspect=Fraction(2, 1))
    with pytest.raises(VideoTooLarge, match="pixels"):
        list(read_frames(path, limits=DecodeLimits(timeout_s=60, max_pixels=64 * 100)))


def test_a_variable_frame_rate_neither_repeats_nor_drops_a_frame(tmp_path: Path) -> None:
    frames = moving_square(num_frames=8, size=(64, 96), step_px=6)
    times_ms = [0, 10, 20, 700, 720, 1500, 1510, 3000]
    for name in ("a.mp4", "a.mkv"):
        path = write_at(tmp_path / name, frames, times_ms)
        found = list(read_frames(path, limits=LIMITS))
        assert len(found) == 8
        nearest = [int(np.argmin([np.abs(one.astype(int) - given).mean() for given in frames])) for one in found]
        assert nearest == list(range(8))
        info = probe(path, limits=LIMITS)
        assert info.num_frames == 8
        assert info.duration_s == pytest.approx(3.0, abs=0.6)  # how long the last is shown is the muxer's guess


def test_shrinking_averages(tmp_path: Path) -> None:
    frame = moving_square(num_frames=1, size=(64, 64))[0]
    path = write_lossless(tmp_path / "a.mkv", [frame, frame])
    found = next(read_frames(path, limits=LIMITS, short_side_px=32))
    means = frame.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(found - means).max() <= 3


def test_chosen_frames(tmp_path: Path) -> None:
    frames = moving_square(num_frames=12, size=(32, 48))
    path = write_lossless(tmp_path / "a.mkv", frames)
    chosen = list(read_frames(path, limits=LIMITS, indices=[0, 5, 11, 40]))
    np.testing.assert_array_equal(np.stack(chosen), np.stack([frames[i] for i in (0, 5, 11)]))
    every = list(read_frames(path, limits=LIMITS, every_frames=5))
    np.testing.assert_array_equal(np.stack(every), np.stack(frames[::5]))
    assert list(read_frames(path, limits=LIMITS, indices=[])) == []


@pytest.mark.parametrize(
    "wishes", [{"indices": [3, 3]}, {"indices": [-1]}, {"every_frames": 0}, {"indices": [1], "every_frames": 2}]
)
def test_choices_that_make_no_sense(tmp_path: Path, wishes: dict[str, object]) -> None:
    path = write_lossless(tmp_path / "a.mkv", moving_square(num_frames=2, size=(32, 32)))
    with pytest.raises(ConfigInvalid):
        read_frames(path, limits=LIMITS, **wishes)  # type: ignore[arg-type]  # a table of keywords


@pytest.mark.parametrize(("caps", "what"), [
    ({"max_frames": 3}, "frames"), ({"max_pixels": 32 * 48 - 1}, "pixels"), ({"max_duration_s": 0.1}, "seconds"),
    ({"max_bytes": 100}, "bytes"),
])  # fmt: skip
def test_caps(tmp_path: Path, caps: dict[str, int], what: str) -> None:
    path = write_h264(tmp_path / "a.mp4", moving_square(num_frames=10, size=(32, 48)))
    with pytest.raises(VideoTooLarge, match=what):
        list(read_frames(path, limits=DecodeLimits(timeout_s=60, **caps)))


def test_a_thread_of_a_frame_is_not_blown_up(tmp_path: Path) -> None:
    path = write_lossless(tmp_path / "a.mkv", moving_square(num_frames=2, size=(8, 4000)))
    with pytest.raises(VideoTooLarge, match="once scaled"):
        list(read_frames(path, limits=LIMITS, short_side_px=240))


def test_frames_before_the_damage_are_delivered(tmp_path: Path) -> None:
    frames = moving_square(num_frames=60, size=(120, 160))
    whole = write_mpeg4(tmp_path / "a.avi", frames)
    torn = tmp_path / "torn.avi"
    torn.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    with pytest.raises(VideoUnreadable) as caught:
        list(read_frames(torn, limits=LIMITS))
    before = []
    reader = read_frames(torn, limits=LIMITS)
    for _ in range(caught.value.facts["num_frames"]):  # type: ignore[call-overload]  # an int by contract
        before.append(next(reader))
    assert 0 < len(before) < 60
    whole_frames = list(read_frames(whole, limits=LIMITS))
    np.testing.assert_array_equal(np.stack(before), np.stack(whole_frames[: len(before)]))


def test_the_corrupt_mp4(test_data: Path) -> None:
    with pytest.raises(VideoUnreadable, match="damaged after 30 frames"):
        list(read_frames(test_data / "videos/edge_cases/none/corrupted.mp4", limits=LIMITS))


def test_metadata_that_is_not_utf8(test_data: Path) -> None:
    path = next((test_data / "videos/hmdb51_samples/cartwheel").glob("*.avi"))
    assert next(read_frames(path, limits=LIMITS)).shape == (240, 320, 3)


@pytest.mark.parametrize("content", [b"", b"not a video"])
def test_what_is_no_video(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoUnsupported):
        read_frames(path, limits=LIMITS)


def test_a_missing_file_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_frames(tmp_path / "none.mp4", limits=LIMITS)
    with pytest.raises(VideoUnsupported, match="regular file"):
        read_frames(tmp_path, limits=LIMITS)
