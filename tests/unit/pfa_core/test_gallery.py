"""Filling a gallery from images and videos."""

import os
import signal
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core.config.net import NetConfig
from pfa_core.errors import ConfigInvalid, DatasetUnsuitable
from pfa_core.gallery import GallerySource, fill_segment
from pfa_core.gallery_edit import editing
from pfa_core.gallery_item import GalleryItem
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.images import read_image, write_png
from pfa_core.left_out import LeftOut
from pfa_core.manifest import ModelConfig
from pfa_core.nets.action import ActionNet
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress, run_to_end
from pfa_core.retrieval import GalleryIndex
from tests.unit.pfa_core.pictures import damaged_clip, damaged_jpeg, stripes, write_clip
from tests.unit.pfa_core.test_video_sandbox import children

NET = NetConfig(width=1 / 16, crop_px=64, norm="batch")


def extractor() -> FeatureExtractor:
    torch.manual_seed(0)
    return FeatureExtractor(ActionNet(NET, 2), ModelConfig(kind="action", net=NET, labels=("a", "b")), device="cpu")


def ignore(_: Progress) -> None:
    pass


def fill(
    folder: Path,
    sources: Sequence[GallerySource],
    net: FeatureExtractor,
    *,
    every_frames: int,
    known: Collection[tuple[object, ...]] = (),
    report: Callable[[Progress], None] = ignore,
) -> tuple[GalleryIndex, list[LeftOut]]:
    """A gallery of some sources, and what was left out of it."""
    with SegmentWriter(folder / "segment", num_features=net.num_features) as writer, editing(folder / "g") as edit:
        left_out = run_to_end(fill_segment(writer, sources, net, every_frames=every_frames, known=known), report)
        edit.append(writer, key="job_1", model="m@1", num_features=net.num_features)
        edit.publish()
    return GalleryIndex.load(folder / "g"), left_out


def items(index: GalleryIndex) -> list[GalleryItem]:
    return [item for _, item in index.page(after=-1, limit=1000)]


def test_images_and_frames_are_found_again(tmp_path: Path) -> None:
    picture = stripes(upright=True, seed=0)
    (tmp_path / "i.png").write_bytes(write_png(picture))
    clip = write_clip(tmp_path / "c.avi", [stripes(upright=False, seed=n) for n in range(11)], fps=10)
    net = extractor()
    sources = [
        GallerySource(source="i1", name="i.png", path=tmp_path / "i.png", still=True),
        GallerySource(source="v1", name="c.avi", path=clip),
    ]
    index, left_out = fill(tmp_path, sources, net, every_frames=4)
    assert left_out == []
    assert [(item.source, item.frame, item.time_s) for item in items(index)] == [
        ("i1", None, None), ("v1", 0, 0.0), ("v1", 4, pytest.approx(0.4)), ("v1", 8, pytest.approx(0.8)),
    ]  # fmt: skip
    nearest = index.search(net(picture)[None], k=2)[0]
    assert nearest[0].item.source == "i1"
    assert nearest[0].distance == pytest.approx(0, abs=1e-3)
    assert nearest[1].distance > 0.01
    small = read_image(index.thumbnail(1) or b"", max_pixels=10**6)
    assert max(small.shape[:2]) <= 96
    assert np.ptp(small.astype(int).mean(axis=(1, 2))) > 100  # level stripes


def test_what_does_not_read_is_left_out_whole(tmp_path: Path) -> None:
    """Of a clip that is cut short not even the frames before the cut are kept; the others come out as without it."""
    (tmp_path / "i.png").write_bytes(write_png(stripes(upright=True, seed=0)))
    good = [
        GallerySource(source="i1", name="i.png", path=tmp_path / "i.png", still=True),
        GallerySource(
            source="v1", name="c.avi", path=write_clip(tmp_path / "c.avi", [stripes(upright=False, seed=0)] * 6)
        ),
    ]
    bad = [
        GallerySource(source="v2", name="cut.avi", path=damaged_clip(tmp_path / "cut.avi"), fps=10),
        GallerySource(source="i2", name="cut.jpg", path=damaged_jpeg(tmp_path / "cut.jpg"), still=True),
        GallerySource(source="v3", name="gone.avi", path=tmp_path / "gone.avi"),
        GallerySource(source="i1", name="i.png", path=tmp_path / "i.png", still=True, box=(500, 500, 9, 9)),
    ]
    mixed = [bad[0], good[0], bad[1], bad[2], good[1], bad[3]]
    index, left_out = fill(tmp_path / "mixed", mixed, extractor(), every_frames=2)
    assert [(one.name, one.code, one.path) for one in left_out] == [
        ("cut.avi", "video_unreadable", tmp_path / "cut.avi"),
        ("cut.jpg", "image_unreadable", tmp_path / "cut.jpg"),
        ("gone.avi", "video_unreadable", tmp_path / "gone.avi"),
        ("i.png", "box_outside_image", None),
    ]
    alone, _ = fill(tmp_path / "alone", good, extractor(), every_frames=2)
    assert items(index) == items(alone)
    query = extractor()(stripes(upright=True, seed=0))[None]
    found, wanted = (gallery.search(query, k=4)[0] for gallery in (index, alone))
    assert [(near.item, near.distance) for near in found] == [(near.item, near.distance) for near in wanted]


def test_a_long_video_tells_how_far_it_is_and_cannot_kill_who_reads_it(tmp_path: Path) -> None:
    """Its decoder dies in the middle: it is left out whole, and the next one is read."""
    frames = [stripes(upright=False, seed=n % 7) for n in range(300)]
    sources = [
        GallerySource(source="v1", name="long.avi", path=write_clip(tmp_path / "long.avi", frames)),
        GallerySource(source="v2", name="short.avi", path=write_clip(tmp_path / "short.avi", frames[:3])),
    ]
    before = children()
    with SegmentWriter(tmp_path / "segment", num_features=extractor().num_features) as writer:
        steps = fill_segment(writer, sources, extractor(), every_frames=1)
        told = [next(steps), next(steps)]
        assert [(one.step, one.total, one.metrics["num_items"]) for one in told] == [(0, 2, 32), (0, 2, 64)]
        (decoder,) = children() - before
        os.kill(decoder, signal.SIGSEGV)
        left_out = run_to_end(steps, told.append)
        assert [(one.name, one.code) for one in left_out] == [("long.avi", "video_unreadable")]
        assert writer.num_items == 3
    assert (told[-1].step, told[-1].metrics["num_items"]) == (2, 3)


def test_what_is_there_already_is_not_added_again(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.avi", [stripes(upright=False, seed=n) for n in range(8)])
    sources = [GallerySource(source="v1", name="c.avi", path=clip, dataset="ds_1")]
    index, _ = fill(tmp_path / "first", sources, extractor(), every_frames=4)
    again, _ = fill(tmp_path / "second", sources, extractor(), every_frames=2, known=set(index.keys("ds_1")))
    assert [item.frame for item in items(index)] == [0, 4]
    assert [item.frame for item in items(again)] == [2, 6]
    nothing, _ = fill(tmp_path / "third", sources, extractor(), every_frames=4, known=set(index.keys("ds_1")))
    assert len(nothing) == 0


def test_filling_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """Stopped after every step in turn, it ends with the very same files; what is marked is not looked at again."""
    for n in range(3):
        (tmp_path / f"{n}.png").write_bytes(write_png(stripes(upright=True, seed=n)))
    still = [GallerySource(source=f"i{n}", name=f"{n}.png", path=tmp_path / f"{n}.png", still=True) for n in range(3)]
    frames = [stripes(upright=False, seed=n % 7) for n in range(70)]
    film = [
        GallerySource(source="v1", name="a.avi", path=write_clip(tmp_path / "a.avi", frames)),
        GallerySource(source="v2", name="cut.avi", path=damaged_clip(tmp_path / "cut.avi"), fps=10),
    ]
    sources, net = [*still, *film, *still[:1]], extractor()
    with SegmentWriter(tmp_path / "straight", num_features=net.num_features) as straight:
        wanted = run_to_end(fill_segment(straight, sources, net, every_frames=1), ignore)
        sealed = straight.finish(np.arange(straight.num_items)).files
    with (
        SegmentWriter(tmp_path / "stopped", num_features=net.num_features) as begun,
        closing(fill_segment(begun, sources, net, every_frames=1)) as steps,
    ):
        next(steps)
        (tmp_path / "1.png").unlink()  # done with: it is not missed
        next(steps)
    told: list[Progress] = []
    with SegmentWriter(tmp_path / "stopped", num_features=net.num_features) as again:
        assert again.num_items == 3
        assert run_to_end(fill_segment(again, sources, net, every_frames=1), told.append) == wanted
        assert again.finish(np.arange(again.num_items)).files == sealed
    assert told[0].step == 3


def test_nothing_to_put_in_is_refused_with_the_reasons(tmp_path: Path) -> None:
    source = GallerySource(source="v1", name="mine.avi", path=damaged_clip(tmp_path / "x"))
    with pytest.raises(DatasetUnsuitable, match=r"mine\.avi: The video is damaged after"):
        fill(tmp_path / "a", [source], extractor(), every_frames=5)
    with pytest.raises(DatasetUnsuitable):
        fill(tmp_path / "b", [], extractor(), every_frames=5)
    with pytest.raises(ConfigInvalid):
        fill(tmp_path / "c", [source], extractor(), every_frames=0)
