"""Every video of the test data decodes: its header is read, and its first and last frames come out."""

import csv
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from pfa_core.video.decode import read_frames
from pfa_core.video.limits import DecodeLimits
from pfa_core.video.probe import VideoInfo, probe

LIMITS = DecodeLimits(timeout_s=60)


def looked_at(path: Path) -> VideoInfo:
    """What `probe` says, after the first frames agreed with it."""
    info = probe(path, limits=LIMITS)
    with closing(read_frames(path, limits=LIMITS, indices=range(3))) as frames:
        shapes = [frame.shape for frame in frames]
    assert shapes == [(info.height_px, info.width_px, 3)] * min(3, info.num_frames), path.name
    return info


def test_every_video_decodes(test_data: Path) -> None:
    with (test_data / "MANIFEST.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "video" and row["frames"]]
    assert len(rows) > 200
    with ThreadPoolExecutor(2) as pool:
        infos = list(pool.map(looked_at, [test_data / row["file"] for row in rows]))
    found = {row["file"]: info.num_frames for row, info in zip(rows, infos, strict=True)}
    assert found == {row["file"]: int(row["frames"]) for row in rows}  # as another program counted them
