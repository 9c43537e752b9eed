"""From real videos to a pretrained model folder and back."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch

from pfa_core.config import pretrain as presets
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import NetConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.mapped_format import MAPPING, mapped_folder
from pfa_core.models import load_model, save_model
from pfa_core.pack_format import beside
from pfa_core.packs import Pack, build_pack
from pfa_core.pretrain import PretrainResult, PretrainVideo, pretrain
from pfa_core.progress import run_to_end
from pfa_core.video.limits import DecodeLimits


def config() -> PretrainConfig:
    base = presets.small()
    return replace(
        base,
        net=NetConfig(width=1 / 16, crop_px=64, norm="batch"),
        pack=PackConfig(short_side_px=72, backend="dis", tvl1=base.pack.tvl1),
        learn=replace(base.learn, batch_size=8, steps=3),
        val_triplets=8,
    )


def pack_of(video: Path, folder: Path) -> Pack:
    sha = sha256(video.read_bytes()).hexdigest()
    steps = build_pack(video, folder / sha, config().pack, video_sha256=sha, limits=DecodeLimits())
    return run_to_end(steps, lambda _: None)


@pytest.fixture(scope="module")
def videos(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[PretrainVideo]:
    folder = tmp_path_factory.mktemp("packs")
    files = sorted((test_data / "videos" / "weizmann").rglob("*.avi"))[:5]
    return [PretrainVideo(name=file.name, pack=pack_of(file, folder)) for file in files]


def trained(videos: list[PretrainVideo], folder: Path, *, cache_bytes: int) -> PretrainResult:
    steps = pretrain(videos, config=config(), folder=folder, seed=1, device="cpu", cache_bytes=cache_bytes)
    return run_to_end(steps, lambda _: None)


def test_memory_changes_nothing_and_the_model_reads_back(videos: list[PretrainVideo], tmp_path: Path) -> None:
    cached = trained(videos, tmp_path / "cached", cache_bytes=1 << 30)
    folders = [video.pack.folder for video in videos if isinstance(video.pack, Pack)]
    in_the_way = [beside(folder, MAPPING) for folder in folders]
    for path in in_the_way:
        path.touch()  # where the mapped form is made
    read = trained(videos, tmp_path / "read", cache_bytes=0)
    assert not any(mapped_folder(folder).exists() for folder in folders)
    for path in in_the_way:
        path.unlink()
    mapped = trained(videos, tmp_path / "mapped", cache_bytes=0)
    assert all(mapped_folder(folder).exists() for folder in folders)
    assert cached.left_out == []
    assert cached.metrics == read.metrics == mapped.metrics
    weights = cached.model.state_dict()
    for other in (read, mapped):
        assert all(torch.equal(tensor, weights[name]) for name, tensor in other.model.state_dict().items())

    described = ModelConfig(kind="triplet", net=config().net)
    save_model(tmp_path / "model", cached.model, config=described, lineage=Lineage(), metrics=cached.metrics)
    loaded, manifest = load_model(tmp_path / "model")
    ours, theirs = loaded.state_dict(), read.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert manifest.metrics == cached.metrics
