from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core import seeds
from pfa_core.appearance_run import AppearanceResult
from pfa_core.config import pretrain, steady
from pfa_core.config.net import NetConfig
from pfa_core.config.steady import SteadyConfig
from pfa_core.engine import train
from pfa_core.errors import ConfigInvalid
from pfa_core.frame_store import FrameStore
from pfa_core.frame_tuples import sample_tuples
from pfa_core.held_out import PretrainVideo
from pfa_core.nets.vggm import VggM
from pfa_core.pretrain_steady import loss_of, pretrain_steady, steady_test
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core.moving_clips import BOUND_PX, ArrayClip, dancing_clip, patch_clip
from tests.unit.pfa_core.objective_runs import check_resumes_bit_equal, dancers, equal


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(*, steps: int = 4, rate: float = 0.02) -> SteadyConfig:
    base = steady.small()
    return replace(
        base,
        net=NetConfig(width=1 / 16, crop_px=64, norm="batch", dropout=0.0),
        pack=replace(base.pack, short_side_px=64, bound_px=BOUND_PX),
        learn=replace(
            base.learn, batch_size=8, steps=steps, learning_rate=rate, validate_every_steps=2,
            checkpoint_every_steps=2, autocast=False,
        ),
        val_tuples=16,
    )  # fmt: skip


def start(videos: list[PretrainVideo], folder: Path) -> Generator[Progress, None, AppearanceResult]:
    return pretrain_steady(videos, config=tiny(), folder=folder, seed=5, device="cpu")


def test_reports_what_it_measured(tmp_path: Path) -> None:
    heard: list[Progress] = []
    result = run_to_end(start(dancers(6), tmp_path), heard.append)
    assert result.metrics.keys() == {
        "loss", "slow", "steady", "auc", "steady_auc", "chance", "train_loss", "train_slow", "train_steady",
        "train_videos", "held_out_videos",
        "best_step",
    }  # fmt: skip
    assert (result.metrics["train_videos"], result.metrics["held_out_videos"]) == (4, 2)
    assert [p.phase for p in heard] == ["load"] * 6 + ["train"] * 4
    assert [row["step"] for row in result.history if "val_auc" in row] == [2, 4]


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    check_resumes_bit_equal(start, tmp_path)


def test_memorises_eight_tuples(tmp_path: Path) -> None:
    config = tiny(steps=150, rate=0.05)
    store = FrameStore([dancing_clip(seed) for seed in range(4)])
    batch = sample_tuples(store, config, count=8, rng=seeds.generator(0))
    with seeds.seeded(1):
        net = VggM(config.net)
    run = train(
        net, batch_of=lambda _: batch, loss_of=lambda n, b: loss_of(n, b, config=config), learn=config.learn,
        folder=tmp_path, config_sha256="x", device=torch.device("cpu"), seed=0,
    )  # fmt: skip
    result = run_to_end(run, lambda _: None)
    assert result.metrics["train_loss"] < 0.5  # features that never change, or are all alike, cost 1


def drifting(seed: int) -> ArrayClip:
    """A square that crosses the frame once, so that frames far apart never show it in the same place."""
    rng = np.random.default_rng((seed, 2))
    angle = rng.uniform(0, 2 * np.pi)
    way = 20 * np.linspace(-1, 1, 30)
    path = [(20 + round(float(w * np.cos(angle))), 20 + round(float(w * np.sin(angle)))) for w in way]
    return patch_clip(seed, path=path)


def test_the_loss_falls_on_videos_that_were_not_learned_from(tmp_path: Path) -> None:
    """That neighbours are nearer is no proof of learning: the first weights tell them better than a coin already."""
    config = replace(tiny(steps=80), val_tuples=64)
    clips = [drifting(seed) for seed in range(100, 106)]
    with seeds.seeded(5, 0):
        net = VggM(config.net)
    with torch.no_grad():
        before = steady_test(net.eval(), FrameStore(clips), config, key=(5, 3))
    videos = [PretrainVideo(name=str(v), pack=drifting(v), split="train") for v in range(12)]
    videos += [PretrainVideo(name=f"t{v}", pack=clip, split="test") for v, clip in enumerate(clips)]
    result = run_to_end(pretrain_steady(videos, config=config, folder=tmp_path, seed=5, device="cpu"), lambda _: None)
    assert result.metrics["loss"] < 0.5 * before["loss"]
    assert result.metrics["auc"] > 0.55
    assert before["auc"] > 0.55


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = run_to_end(start(dancers(4), tmp_path / "a"), lambda _: None)
    torch.manual_seed(2)
    assert equal(first.model, run_to_end(start(dancers(4), tmp_path / "b"), lambda _: None).model)


def test_videos_too_short_for_a_frame_that_is_no_neighbour_are_left_out(tmp_path: Path) -> None:
    needed = tiny().min_frames
    short = PretrainVideo(name="short", pack=dancing_clip(8, num_frames=needed - 1))
    enough = PretrainVideo(name="enough", pack=dancing_clip(9, num_frames=needed))
    result = run_to_end(start([short, enough, *dancers(2)], tmp_path), lambda _: None)
    assert [(one.name, one.code) for one in result.left_out] == [("short", "video_too_short")]


def test_the_budget_is_motions() -> None:
    for ours, theirs in ((steady.small(), pretrain.small()), (steady.paper(), pretrain.paper())):
        assert (ours.pack, ours.learn) == (theirs.pack, theirs.learn)
        assert ours.net == replace(theirs.net, dropout=0.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gap_frames", 0), ("slow_margin", 0.0), ("steady_margin", -1.0), ("slow_weight", -1.0),
        ("steady_weight", -1.0), ("val_fraction", -0.1), ("val_tuples", 0),
    ],
)  # fmt: skip
def test_values_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(ConfigInvalid, match=name):
        replace(steady.small(), **{name: value})  # type: ignore[arg-type]  # that is what is tested
