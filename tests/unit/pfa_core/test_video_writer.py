"""Videos that are made here are what was put into them."""

from pathlib import Path

import numpy as np
import pytest

from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import probe
from pfa_core.video_writer import ENCODERS, Encoder, VideoWriter, available_encoder


@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_is_written_can_be_read(tmp_path: Path, encoder: Encoder) -> None:
    colours = [(200, 30, 30), (30, 180, 30), (30, 30, 200)]
    path = tmp_path / "made.mp4"
    with VideoWriter(path, fps=12.5, encoder=encoder) as writer:
        for n in range(12):
            writer.add(np.full((67, 91, 3), colours[n // 4], dtype=np.uint8))
        assert not path.exists()
        writer.finish()
    assert [file.name for file in tmp_path.iterdir()] == ["made.mp4"]
    info = probe(path, limits=DecodeLimits())
    assert (info.width_px, info.height_px, info.num_frames, info.container) == (90, 66, 12, "mp4")
    assert info.fps == pytest.approx(12.5)
    assert info.codec == {"libx264": "h264", "libvpx-vp9": "vp9"}[encoder]
    for n, frame in enumerate(read_frames(path, limits=DecodeLimits())):
        assert np.abs(frame.mean(axis=(0, 1)) - colours[n // 4]).max() < 12


def test_what_is_not_finished_is_not_left(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=25) as writer:
        writer.add(np.zeros((32, 32, 3), dtype=np.uint8))
    with VideoWriter(tmp_path / "b.mp4", fps=25):
        pass
    assert list(tmp_path.iterdir()) == []
    assert available_encoder() in ENCODERS
