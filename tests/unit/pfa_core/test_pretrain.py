from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core import seeds
from pfa_core.config import pretrain as presets
from pfa_core.config.net import NetConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.engine import train
from pfa_core.errors import ConfigInvalid, NoUsableVideos
from pfa_core.frame_store import FrameStore
from pfa_core.nets.triplet import TripletNet
from pfa_core.pretext import pretext_test
from pfa_core.pretrain import PretrainResult, PretrainVideo, loss_of, pretrain
from pfa_core.progress import Progress, run_to_end
from pfa_core.triplets import sample_batch
from tests.unit.pfa_core.moving_clips import BOUND_PX, dancing_clip
from tests.unit.pfa_core.objective_runs import dancers, equal


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(*, steps: int = 4, rate: float = 0.02) -> PretrainConfig:
    base = presets.small()
    return replace(
        base,
        net=NetConfig(width=1 / 16, crop_px=64, norm="batch", dropout=0.0),
        colours=0.1,
        pack=replace(base.pack, short_side_px=64, bound_px=BOUND_PX),
        learn=replace(
            base.learn, batch_size=8, steps=steps, learning_rate=rate, validate_every_steps=2,
            checkpoint_every_steps=2, autocast=False,
        ),
        val_triplets=16,
    )  # fmt: skip


def finished(videos: list[PretrainVideo], folder: Path, *, config: PretrainConfig | None = None) -> PretrainResult:
    return run_to_end(pretrain(videos, config=config or tiny(), folder=folder, seed=5, device="cpu"), lambda _: None)


def test_reports_what_it_measured(tmp_path: Path) -> None:
    heard: list[Progress] = []
    result = run_to_end(pretrain(dancers(6), config=tiny(), folder=tmp_path, seed=5, device="cpu"), heard.append)

    assert result.metrics["chance"] == pytest.approx(2 / 3)
    assert result.metrics.keys() == {
        "accuracy", "chance", "auc", "loss", "same_video_auc", "train_loss", "train_accuracy",
        "train_videos", "held_out_videos", "best_step",
    }  # fmt: skip
    assert (result.metrics["train_videos"], result.metrics["held_out_videos"]) == (4, 2)
    assert [p.step for p in heard if p.phase == "train"] == [1, 2, 3, 4]
    assert {p.phase for p in heard} == {"load", "train"}
    assert [row["step"] for row in result.history if "val_auc" in row] == [2, 4]
    assert result.left_out == []


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = finished(dancers(5), tmp_path / "whole")
    first = pretrain(dancers(5), config=tiny(), folder=tmp_path / "parts", seed=5, device="cpu")
    for progress in first:
        if progress.phase == "train" and progress.step == 3:
            break
    first.close()
    resumed = finished(dancers(5), tmp_path / "parts")
    assert equal(resumed.model, whole.model)
    assert resumed.metrics == whole.metrics
    assert resumed.history == whole.history


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = finished(dancers(4), tmp_path / "a")
    torch.manual_seed(2)
    np.random.seed(2)  # the global state is what must not matter
    again = finished(dancers(4), tmp_path / "b")
    assert equal(first.model, again.model)


def test_memorises_eight_samples(tmp_path: Path) -> None:
    config = tiny(steps=60, rate=0.05)
    store = FrameStore([dancing_clip(seed) for seed in range(4)])
    batch = sample_batch(store, config, count=8, rng=seeds.generator(0))
    with seeds.seeded(1):
        net = TripletNet(config.net)
    run = train(
        net, batch_of=lambda _: batch, loss_of=lambda n, b: loss_of(n, b, config), learn=config.learn,
        folder=tmp_path, config_sha256="x", device=torch.device("cpu"), seed=0,
    )  # fmt: skip
    result = run_to_end(run, lambda _: None)
    assert result.metrics["train_loss"] < 0.02
    assert result.metrics["train_accuracy"] == 1.0


def test_the_test_is_the_same_every_time_and_a_new_net_is_at_chance(tmp_path: Path) -> None:
    store = FrameStore([dancing_clip(seed) for seed in range(4)])
    with seeds.seeded(1):
        net = TripletNet(tiny().net).eval()
    with torch.no_grad():
        first, again = (pretext_test(net, store, tiny(), key=(3, 1)) for _ in range(2))
        other = pretext_test(net, store, tiny(), key=(3, 2))
    assert first == again != other
    assert 0.2 < first["auc"] < 0.8


def test_useless_videos_are_left_out_with_their_reason(tmp_path: Path) -> None:
    short = PretrainVideo(name="short", pack=dancing_clip(8, num_frames=12))
    still = PretrainVideo(name="still", pack=replace(dancing_clip(9), still=True))
    result = finished([short, *dancers(3), still], tmp_path)
    assert [(one.name, one.code) for one in result.left_out] == [("short", "video_too_short"), ("still", "video_still")]
    assert "12 frames" in result.left_out[0].message
    assert result.metrics["held_out_videos"] == 0  # three videos: none to spare


def test_thirteen_frames_are_enough(tmp_path: Path) -> None:
    videos = [PretrainVideo(name=str(seed), pack=dancing_clip(seed, num_frames=13)) for seed in range(2)]
    assert finished(videos, tmp_path).left_out == []


@pytest.mark.parametrize("num_good", [0, 1])
def test_fewer_than_two_usable_videos_are_refused(tmp_path: Path, num_good: int) -> None:
    still = PretrainVideo(name="lamp.mp4", pack=replace(dancing_clip(9), still=True))
    steps = pretrain([*dancers(num_good), still], config=tiny(), folder=tmp_path, seed=0, device="cpu")
    with pytest.raises(NoUsableVideos, match=r"lamp\.mp4") as caught:
        next(steps)
    assert caught.value.facts == {"left_out": [("lamp.mp4", "video_still")]}


def test_packs_of_another_flow_bound_are_refused(tmp_path: Path) -> None:
    odd = PretrainVideo(name="odd", pack=replace(dancing_clip(9), bound_px=20.0))
    with pytest.raises(ConfigInvalid, match="bound_px"):
        next(pretrain([*dancers(3), odd], config=tiny(), folder=tmp_path, seed=0, device="cpu"))
