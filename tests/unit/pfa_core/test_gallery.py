"""Filling a gallery from images and videos."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core.config.net import NetConfig
from pfa_core.errors import ConfigInvalid, DatasetUnsuitable
from pfa_core.gallery import GallerySource, fill_gallery
from pfa_core.images import read_image, write_png
from pfa_core.manifest import ModelConfig
from pfa_core.nets.action import ActionNet
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core.pictures import damaged_clip, damaged_jpeg, stripes, write_clip
from tests.unit.pfa_core.test_video_sandbox import children

NET = NetConfig(width=1 / 16, crop_px=64, norm="batch")


def extractor() -> FeatureExtractor:
    torch.manual_seed(0)
    return FeatureExtractor(ActionNet(NET, 2), ModelConfig(kind="action", net=NET, labels=("a", "b")), device="cpu")


def ignore(_: Progress) -> None:
    pass


def test_images_and_frames_are_found_again(tmp_path: Path) -> None:
    picture = stripes(upright=True, seed=0)
    (tmp_path / "i.png").write_bytes(write_png(picture))
    clip = write_clip(tmp_path / "c.avi", [stripes(upright=False, seed=n) for n in range(11)], fps=10)
    net = extractor()
    sources = [
        GallerySource(source="i1", name="i.png", path=tmp_path / "i.png", still=True),
        GallerySource(source="v1", name="c.avi", path=clip),
    ]
    gallery = run_to_end(fill_gallery(sources, net, every_frames=4), ignore)
    assert gallery.left_out == []
    index = gallery.index
    assert [(item.source, item.frame, item.time_s) for item in index.items] == [
        ("i1", None, None), ("v1", 0, 0.0), ("v1", 4, pytest.approx(0.4)), ("v1", 8, pytest.approx(0.8)),
    ]  # fmt: skip
    nearest = index.search(net(picture)[None], k=2)[0]
    assert nearest[0].item.source == "i1"
    assert nearest[0].distance == pytest.approx(0, abs=1e-3)
    assert nearest[1].distance > 0.01
    small = read_image(index.thumbnails.get(1) or b"", max_pixels=10**6)
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
    gallery = run_to_end(fill_gallery(mixed, extractor(), every_frames=2), ignore)
    assert [(one.name, one.code, one.path) for one in gallery.left_out] == [
        ("cut.avi", "video_unreadable", tmp_path / "cut.avi"),
        ("cut.jpg", "image_unreadable", tmp_path / "cut.jpg"),
        ("gone.avi", "video_unreadable", tmp_path / "gone.avi"),
        ("i.png", "box_outside_image", None),
    ]
    alone = run_to_end(fill_gallery(good, extractor(), every_frames=2), ignore).index
    assert gallery.index.items == alone.items
    query = extractor()(stripes(upright=True, seed=0))[None]
    found, wanted = (index.search(query, k=4)[0] for index in (gallery.index, alone))
    assert [(near.item, near.distance) for near in found] == [(near.item, near.distance) for near in wanted]


def test_a_long_video_tells_how_far_it_is_and_cannot_kill_who_reads_it(tmp_path: Path) -> None:
    """Its decoder dies in the middle: it is left out whole, and the next one is read."""
    frames = [stripes(upright=False, seed=n % 7) for n in range(300)]
    sources = [
        GallerySource(source="v1", name="long.avi", path=write_clip(tmp_path / "long.avi", frames)),
        GallerySource(source="v2", name="short.avi", path=write_clip(tmp_path / "short.avi", frames[:3])),
    ]
    before = children()
    steps = fill_gallery(sources, extractor(), every_frames=1)
    told = [next(steps), next(steps)]
    assert [(one.step, one.total, one.metrics["num_items"]) for one in told] == [(0, 2, 32), (0, 2, 64)]
    (decoder,) = children() - before
    os.kill(decoder, signal.SIGSEGV)
    gallery = run_to_end(steps, told.append)
    assert [(one.name, one.code) for one in gallery.left_out] == [("long.avi", "video_unreadable")]
    assert [item.source for item in gallery.index.items] == ["v2"] * 3
    assert (told[-1].step, told[-1].metrics["num_items"]) == (2, 3)


def test_nothing_to_put_in_is_refused_with_the_reasons(tmp_path: Path) -> None:
    source = GallerySource(source="v1", name="mine.avi", path=damaged_clip(tmp_path / "x"))
    with pytest.raises(DatasetUnsuitable, match=r"mine\.avi: The video is damaged after"):
        run_to_end(fill_gallery([source], extractor(), every_frames=5), ignore)
    with pytest.raises(DatasetUnsuitable):
        run_to_end(fill_gallery([], extractor(), every_frames=5), ignore)
    with pytest.raises(ConfigInvalid):
        run_to_end(fill_gallery([source], extractor(), every_frames=0), ignore)
