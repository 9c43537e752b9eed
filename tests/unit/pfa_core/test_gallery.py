"""Filling a gallery from images and videos."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core.config.net import NetConfig
from pfa_core.errors import DatasetUnsuitable, VideoUnsupported
from pfa_core.gallery import GallerySource, fill_gallery
from pfa_core.images import read_image, write_png
from pfa_core.manifest import ModelConfig
from pfa_core.nets.action import ActionNet
from pfa_core.predict import FeatureExtractor
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core.pictures import stripes, write_clip

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
    index = run_to_end(fill_gallery(sources, net, every_frames=4), ignore)
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


def test_a_bad_file_is_named_and_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no video" * 20)
    source = GallerySource(source="v1", name="mine.avi", path=tmp_path / "x")
    with pytest.raises(VideoUnsupported, match=r"mine\.avi"):
        run_to_end(fill_gallery([source], extractor(), every_frames=5), ignore)
    with pytest.raises(DatasetUnsuitable):
        run_to_end(fill_gallery([], extractor(), every_frames=5), ignore)
