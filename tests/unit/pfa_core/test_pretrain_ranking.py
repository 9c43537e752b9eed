from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pfa_core import seeds
from pfa_core.appearance_run import AppearanceResult
from pfa_core.config import pretrain, ranking
from pfa_core.config.net import NetConfig
from pfa_core.config.ranking import RankingConfig
from pfa_core.engine import train
from pfa_core.errors import ConfigInvalid, NoUsableVideos
from pfa_core.frame_store import FrameStore
from pfa_core.held_out import PretrainVideo
from pfa_core.nets.ranking import RankingNet
from pfa_core.pretrain_ranking import loss_of, pretrain_ranking, ranking_test
from pfa_core.progress import Progress, run_to_end
from pfa_core.track_pairs import sample_pairs
from pfa_core.tracks import mine_tracks
from tests.unit.pfa_core.moving_clips import BOUND_PX, dancing_clip, panning_clip
from tests.unit.pfa_core.objective_runs import check_resumes_bit_equal, dancers, equal


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(*, steps: int = 4, rate: float = 0.02) -> RankingConfig:
    base = ranking.small()
    return replace(
        base,
        net=NetConfig(width=1 / 16, crop_px=64, norm="batch", dropout=0.0),
        pack=replace(base.pack, short_side_px=64, bound_px=BOUND_PX),
        learn=replace(
            base.learn, batch_size=8, steps=steps, learning_rate=rate, validate_every_steps=2,
            checkpoint_every_steps=2, autocast=False,
        ),
        patch_px=32, moving_px=0.2, val_pairs=16,
    )  # fmt: skip


def start(videos: list[PretrainVideo], folder: Path) -> Generator[Progress, None, AppearanceResult]:
    return pretrain_ranking(videos, config=tiny(), folder=folder, seed=5, device="cpu")


def test_reports_what_it_measured(tmp_path: Path) -> None:
    heard: list[Progress] = []
    result = run_to_end(start(dancers(6), tmp_path), heard.append)
    assert result.metrics.keys() == {
        "accuracy", "chance", "loss", "train_loss", "train_accuracy", "train_videos", "held_out_videos",
        "best_step",
    }  # fmt: skip
    assert result.metrics["chance"] == 0.5
    assert (result.metrics["train_videos"], result.metrics["held_out_videos"]) == (4, 2)
    assert [p.phase for p in heard] == ["track"] * 6 + ["load"] * 6 + ["train"] * 4
    assert [row["step"] for row in result.history if "val_accuracy" in row] == [2, 4]
    assert result.left_out == []


def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    """With four steps of which 40 % are random, the run is stopped among the hard ones."""
    assert tiny().hard_from == 2
    check_resumes_bit_equal(start, tmp_path)


def test_memorises_eight_pairs_with_hard_negatives(tmp_path: Path) -> None:
    config = tiny(steps=60, rate=0.05)
    clips = [dancing_clip(seed) for seed in range(4)]
    tracks = [mine_tracks(clip, config) for clip in clips]
    batch = sample_pairs(FrameStore(clips), tracks, config, count=8, rng=seeds.generator(0), hard=True)
    with seeds.seeded(1):
        net = RankingNet(config.net)
    before = loss_of(net, batch, config=config)[0].item()
    run = train(
        net, batch_of=lambda _: batch, loss_of=lambda n, b: loss_of(n, b, config=config), learn=config.learn,
        folder=tmp_path, config_sha256="x", device=torch.device("cpu"), seed=0,
    )  # fmt: skip
    result = run_to_end(run, lambda _: None)
    assert before > 0.2
    assert result.metrics["train_loss"] < 0.02
    assert result.metrics["train_accuracy"] == 1.0


def test_learns_to_rank_videos_that_it_has_not_seen(tmp_path: Path) -> None:
    """The first weights rank better than a coin already, so what counts is how much better the trained ones do."""
    config = tiny(steps=80)
    clips = [dancing_clip(seed) for seed in range(100, 106)]
    tested = FrameStore(clips), [mine_tracks(clip, config) for clip in clips]
    with seeds.seeded(5, 0):
        net = RankingNet(config.net)
    with torch.no_grad():
        before = ranking_test(net.eval(), *tested, config, key=(1,))
    videos = [PretrainVideo(name=str(v), pack=dancing_clip(v), split="train") for v in range(12)]
    videos += [PretrainVideo(name=f"t{v}", pack=clip, split="test") for v, clip in enumerate(clips)]
    result = run_to_end(pretrain_ranking(videos, config=config, folder=tmp_path, seed=5, device="cpu"), lambda _: None)
    assert result.metrics["loss"] < 0.7 * before["loss"]
    assert result.metrics["accuracy"] > 0.9


def test_hard_negatives_begin_after_their_share_of_the_steps(tmp_path: Path) -> None:
    """With random negatives alone the run is another from that step on, and the same before."""
    videos = dancers(4)
    runs = [
        run_to_end(
            pretrain_ranking(
                videos, config=replace(tiny(), hard_after=share), folder=tmp_path / str(share), seed=5, device="cpu"
            ),
            lambda _: None,
        )
        for share in (0.5, 1.0)
    ]
    losses = [[row["loss"] for row in run.history] for run in runs]
    assert losses[0][:2] == losses[1][:2]
    assert losses[0][2] > losses[1][2]


def test_videos_without_a_patch_to_follow_are_left_out(tmp_path: Path) -> None:
    pan = PretrainVideo(name="pan", pack=panning_clip(77, velocity_px=(1, 0), num_frames=20, size=(64, 64)))
    short = PretrainVideo(name="short", pack=dancing_clip(8, num_frames=12))
    result = run_to_end(start([pan, short, *dancers(2)], tmp_path), lambda _: None)
    assert {(one.name, one.code) for one in result.left_out} == {
        ("pan", "video_untrackable"),
        ("short", "video_too_short"),
    }
    with pytest.raises(NoUsableVideos, match="pan: There is no patch") as caught:
        run_to_end(start([pan, *dancers(1)], tmp_path / "few"), lambda _: None)
    assert caught.value.facts == {"left_out": [("pan", "video_untrackable")]}


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = run_to_end(start(dancers(4), tmp_path / "a"), lambda _: None)
    torch.manual_seed(2)
    assert equal(first.model, run_to_end(start(dancers(4), tmp_path / "b"), lambda _: None).model)


def test_the_budget_is_motions() -> None:
    for ours, theirs in ((ranking.small(), pretrain.small()), (ranking.paper(), pretrain.paper())):
        assert (ours.net, ours.pack, ours.learn) == (theirs.net, theirs.pack, theirs.learn)
    assert ranking.small().min_frames == pretrain.small().min_frames


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch_px", 0), ("patch_px", 129), ("gap_frames", 0), ("moving_px", 0.0), ("still_share", -0.1),
        ("camera_share", 1.1), ("tracks_per_video", 0), ("margin", 0.0), ("num_negatives", 0), ("hard_after", 2.0),
        ("val_fraction", 1.0), ("val_pairs", 0),
    ],
)  # fmt: skip
def test_values_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(ConfigInvalid, match=name):
        replace(ranking.small(), **{name: value})  # type: ignore[arg-type]  # that is what is tested
