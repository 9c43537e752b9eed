"""Still images out of clips: which frames, whose they are, and that they are written once."""

from pathlib import Path

import numpy as np
import pytest

from pfa_core.clips import LabelledClip
from pfa_core.images import read_image
from pfa_core.progress import run_to_end
from pfa_core.tables.sources import ActionSet
from pfa_core.tables.stills import middles, stills_of
from pfa_core.video.limits import DecodeLimits
from tests.unit.pfa_core.pictures import write_clip


@pytest.mark.parametrize(("num_frames", "count", "places"), [(9, 1, [4]), (12, 3, [2, 6, 10]), (2, 5, [0, 1])])
def test_frames_are_in_the_middle_of_equal_stretches(num_frames: int, count: int, places: list[int]) -> None:
    assert middles(num_frames, count) == places


def grey_steps(path: Path, first: int) -> Path:
    """Twelve even frames, each ten levels lighter than the one before."""
    return write_clip(path, [np.full((64, 80, 3), first + 10 * n, dtype=np.uint8) for n in range(12)])


def test_stills_show_these_frames_and_belong_to_their_clip(tmp_path: Path) -> None:
    splits = {"a.avi": "train", "b.avi": "train", "c.avi": "test", "torn.avi": "train"}
    paths = {name: grey_steps(tmp_path / name, 20 * n) for n, name in enumerate(list(splits)[:3])}
    paths["torn.avi"] = tmp_path / "torn.avi"
    paths["torn.avi"].write_bytes(b"RIFF nothing")
    clips = tuple(
        LabelledClip(name=name, label="ab"[n % 2], path=path, split=splits[name])
        for n, (name, path) in enumerate(paths.items())
    )
    made = ActionSet(name="moves", clips=clips, contents={path: name for name, path in paths.items()})

    def run() -> ActionSet:
        steps = stills_of(made, tmp_path / "stills", name="frames", per_clip=3, limits=DecodeLimits())
        images, left_out = run_to_end(steps, lambda _: None)
        assert [one.name for one in left_out] == ["torn.avi"]
        return images

    found = run()
    assert [clip.group for clip in found.clips] == [name for name in list(splits)[:3] for _ in range(3)]
    assert [clip.split for clip in found.tested] == ["test"] * 3
    assert all(clip.still for clip in found.clips)
    levels = [read_image(clip.path.read_bytes(), max_pixels=10_000).mean() for clip in found.clips]
    expected = [20 * n + 10 * frame for n in range(3) for frame in (2, 6, 10)]
    assert levels == pytest.approx(expected, abs=4), "encoded with loss"
    times = {clip.path: clip.path.stat().st_mtime_ns for clip in found.clips}
    assert run() == found
    assert {path: path.stat().st_mtime_ns for path in times} == times
