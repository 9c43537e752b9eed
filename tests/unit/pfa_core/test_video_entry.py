"""Decoding from the middle of a video gives what decoding from its start gives."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pfa_core.errors import VideoUnreadable
from pfa_core.video.containers import sniff_file
from pfa_core.video.decode import read_frames, read_from
from pfa_core.video.entry import find_entry
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.sandbox import request_for
from tests.unit.pfa_core.video_maker import moving_square, write_at, write_h264, write_lossless, write_mpeg4, write_vp9

LIMITS = DecodeLimits(timeout_s=60)
NUM_FRAMES = 60
SIDE_PX = 32
FRAMES = moving_square(num_frames=NUM_FRAMES, size=(48, 64))
TIMES_MS = np.cumsum(np.random.default_rng(5).integers(5, 90, NUM_FRAMES)).tolist()

REORDERED = {"g": "12", "bf": "3", "x264-params": "scenecut=0:b-adapt=0"}
OPEN_GOPS = {"g": "12", "bf": "3", "x264-params": "scenecut=0:b-adapt=0:open-gop=1"}


ENTERED: dict[str, Callable[[Path], Path]] = {
    "h264.mp4": lambda p: write_h264(p, FRAMES, options=REORDERED),
    "h264.mkv": lambda p: write_h264(p, FRAMES, options=REORDERED),
    "open_gops.mp4": lambda p: write_h264(p, FRAMES, options=OPEN_GOPS),
    "open_gops.mkv": lambda p: write_h264(p, FRAMES, options=OPEN_GOPS),
    "rotated.mov": lambda p: write_h264(p, FRAMES, rotation_deg=90, options=REORDERED),
    "wide_pixels.mp4": lambda p: write_h264(p, FRAMES, pixel_aspect=Fraction(4, 3), options=REORDERED),
    "any_time.mp4": lambda p: write_at(p, FRAMES, TIMES_MS, key_frames_apart=9),
    "any_time.mkv": lambda p: write_at(p, FRAMES, TIMES_MS, key_frames_apart=9),
    "vp9.webm": lambda p: write_vp9(p, FRAMES),
    "mpeg4.mp4": lambda p: write_mpeg4(p, FRAMES, options={"g": "12", "bf": "2"}),
    "lossless.mkv": lambda p: write_lossless(p, FRAMES),
}
FROM_START: dict[str, Callable[[Path], Path]] = {
    "mpeg4.avi": lambda p: write_mpeg4(p, FRAMES, options={"g": "12"}),
    "one_key_frame.mp4": lambda p: write_h264(p, FRAMES),
}


def whole(video: Path) -> list[np.ndarray]:
    return list(read_frames(video, limits=LIMITS, short_side_px=SIDE_PX))


def entry_packet(video: Path, first_frame: int) -> int | None:
    """At which packet decoding would begin."""
    demuxer = sniff_file(video).demuxer
    found = find_entry(request_for(video, action="frames", demuxer=demuxer, limits=LIMITS, first_frame=first_frame))
    return None if found is None else found[0].packet


def assert_same_from(video: Path, first_frame: int, frames: list[np.ndarray]) -> None:
    found = list(read_from(video, first_frame, limits=LIMITS, short_side_px=SIDE_PX))
    assert len(found) == max(0, len(frames) - first_frame)
    for one, same in zip(found, frames[first_frame:], strict=True):
        np.testing.assert_array_equal(one.pixels, same)


@pytest.mark.parametrize("name", [*ENTERED, *FROM_START])
def test_the_rest_of_a_video(tmp_path: Path, name: str) -> None:
    video = {**ENTERED, **FROM_START}[name](tmp_path / name)
    frames = whole(video)
    assert len(frames) == NUM_FRAMES
    for first_frame in (0, 1, 11, 12, 13, 35, NUM_FRAMES - 1, NUM_FRAMES, NUM_FRAMES + 9):
        assert_same_from(video, first_frame, frames)


@pytest.mark.parametrize("name", ENTERED)
def test_what_is_far_before_is_not_decoded(tmp_path: Path, name: str) -> None:
    video = ENTERED[name](tmp_path / name)
    packet = entry_packet(video, 50)
    if name == "vp9.webm":  # libvpx sets its key frames further apart
        assert packet is None
    else:
        assert packet is not None
        assert 50 - 16 <= packet <= 50


@pytest.mark.parametrize("name", FROM_START)
def test_where_it_is_open_which_frame_is_which_all_is_decoded(tmp_path: Path, name: str) -> None:
    assert entry_packet(FROM_START[name](tmp_path / name), 50) is None


def test_times_tell_frames_apart(tmp_path: Path) -> None:
    video = write_at(tmp_path / "a.mp4", FRAMES, TIMES_MS, key_frames_apart=9)
    from_start = list(read_from(video, 0, limits=LIMITS, short_side_px=SIDE_PX))
    assert len({frame.time for frame in from_start}) == NUM_FRAMES
    entered = list(read_from(video, 31, limits=LIMITS, short_side_px=SIDE_PX))
    assert [frame.time for frame in entered] == [frame.time for frame in from_start[31:]]


def test_who_does_not_trust_the_file_decodes_all_of_it(tmp_path: Path) -> None:
    video = write_h264(tmp_path / "a.mp4", FRAMES, options=REORDERED)
    careful = read_from(video, 40, limits=LIMITS, short_side_px=SIDE_PX, enters=False)
    for one, same in zip(careful, whole(video)[40:], strict=True):
        np.testing.assert_array_equal(one.pixels, same)


def test_damage_is_found_from_wherever_it_can_be_seen(tmp_path: Path) -> None:
    """The message says the same whoever finds it: after how many frames of the video it is."""
    video = write_mpeg4(tmp_path / "a.mp4", FRAMES, options={"g": "12"})
    with av.open(str(video)) as container:
        positions = [packet.pos for packet in container.demux(video=0) if packet.pos is not None]
    data = bytearray(video.read_bytes())
    data[positions[40] : positions[41]] = b"\xff" * (positions[41] - positions[40])
    video.write_bytes(data)
    told = []
    for first_frame in (0, 1, 20, 39, 45):
        with pytest.raises(VideoUnreadable) as damage:
            list(read_from(video, first_frame, limits=LIMITS, short_side_px=SIDE_PX))
        told.append(damage.value.facts["num_frames"])
    assert set(told) == {40}
    late = list(read_from(video, 50, limits=LIMITS, short_side_px=SIDE_PX))  # its own frames are whole
    assert len(late) == 10


def test_real_videos(test_data: Path) -> None:
    folder = test_data / "videos"
    names = ["misc_people", "kinetics_samples", "asl_gestures", "hmdb51_samples", "edge_cases/90"]
    videos = [path for name in names for path in sorted((folder / name).rglob("*.*"))[:3]]
    entered = 0
    for video in videos:
        if video.suffix not in {".avi", ".mp4", ".mkv", ".mov"}:
            continue
        frames = whole(video)
        for first_frame in (len(frames) // 3, len(frames) - 2):
            assert_same_from(video, first_frame, frames)
            entered += entry_packet(video, first_frame) is not None
    assert entered
