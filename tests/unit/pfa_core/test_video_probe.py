"""What probe says of videos that are encoded here, and of every kind of real one."""

from pathlib import Path

import pytest

from pfa_core.errors import VideoTooLarge, VideoUnreadable, VideoUnsupported
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import VideoInfo, probe
from tests.unit.pfa_core.video_maker import moving_square, write_h264, write_lossless, write_mpeg4

LIMITS = DecodeLimits(timeout_s=60)


def test_all_fields(tmp_path: Path) -> None:
    path = write_h264(tmp_path / "a.mov", moving_square(num_frames=50, size=(64, 96)), fps=20, rotation_deg=90)
    assert probe(path, limits=LIMITS) == VideoInfo(
        container="mov", codec="h264", width_px=64, height_px=96, rotation_deg=90, num_frames=50, fps=20.0,
        duration_s=2.5, still=False,
    )  # fmt: skip


def test_a_still_video(tmp_path: Path) -> None:
    frame = moving_square(num_frames=1, size=(64, 96))[0]
    assert probe(write_mpeg4(tmp_path / "a.avi", [frame] * 20), limits=LIMITS).still is True


def test_long_videos_are_counted_without_decoding_them_all(tmp_path: Path) -> None:
    frame = moving_square(num_frames=1, size=(32, 32))[0]
    info = probe(write_lossless(tmp_path / "a.mkv", [frame] * 300), limits=LIMITS)
    assert info.num_frames == 300
    assert info.still is None  # nothing moves in what was decoded; who knows of the rest
    with pytest.raises(VideoTooLarge, match="frames"):
        probe(tmp_path / "a.mkv", limits=DecodeLimits(timeout_s=60, max_frames=299))


def test_one_real_video_of_every_folder(test_data: Path) -> None:
    folders = [f for f in sorted((test_data / "videos").glob("*/*")) if f.parent.name != "edge_cases"]
    for folder in folders:
        info = probe(sorted(folder.iterdir())[0], limits=LIMITS)
        assert info.num_frames >= 5, folder
        assert info.still is False, folder
    assert len(folders) > 40


@pytest.mark.parametrize(("name", "turn"), [("video_0", 0), ("video_90", 90), ("video_180", 180), ("video_270", 270)])
def test_real_rotations(test_data: Path, name: str, turn: int) -> None:
    info = probe(test_data / f"videos/edge_cases/none/{name}.mov", limits=LIMITS)
    assert info.rotation_deg == turn
    assert (info.width_px, info.height_px) == ((568, 320) if turn % 180 == 0 else (320, 568))


def test_unordered_packets(test_data: Path) -> None:
    assert probe(test_data / "videos/edge_cases/none/unordered.mov", limits=LIMITS).num_frames == 4


def test_the_corrupt_mp4(test_data: Path) -> None:
    with pytest.raises(VideoUnreadable):
        probe(test_data / "videos/edge_cases/none/corrupted.mp4", limits=LIMITS)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import av
    import numpy as np

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoUnsupported, match="no video"):
        probe(path, limits=LIMITS)
