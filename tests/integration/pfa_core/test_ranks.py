"""Pretraining on several devices: several processes take the steps of one, stop together and end together."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pfa_core.config.pretrain import PretrainConfig
from pfa_core.errors import CheckpointMismatch, ConfigInvalid, PackDamaged, RankLost
from pfa_core.frame_store import Frame
from pfa_core.history import Row
from pfa_core.pretrain import PretrainResult, PretrainVideo, pretrain
from pfa_core.progress import run_to_end
from pfa_core.ranks import check_enough, devices_for
from tests.integration.pfa_core import torchrun_job
from tests.processes import children_of, command_of
from tests.unit.pfa_core.moving_clips import ArrayClip
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> PretrainResult:
    """Both parts of every batch in this process, without a stop."""
    torch.set_num_threads(1)
    return finished(tmp_path_factory.mktemp("alone"), processes=1)


def finished(
    folder: Path, *, processes: int | None = None, config: PretrainConfig = torchrun_job.CONFIG
) -> PretrainResult:
    steps = pretrain(torchrun_job.videos(), config=config, folder=folder, seed=5, device="cpu", processes=processes)
    return run_to_end(steps, lambda _: None)


def assert_close(ours: list[Row], theirs: list[Row]) -> None:
    assert [row.keys() for row in ours] == [row.keys() for row in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, rel=1e-3, abs=1e-4)


def rows_of(folder: Path) -> list[Row]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def ranks() -> list[int]:
    """Processes of a group that this one started, by pid."""
    return [pid for pid in children_of(os.getpid()) if b"pfa_core.rank_process" in command_of(pid)]


def test_two_processes_take_the_steps_of_one(tmp_path: Path, alone: PretrainResult) -> None:
    result = finished(tmp_path)

    assert len(result.history) == torchrun_job.CONFIG.learn.steps
    assert_close(result.history, alone.history)
    assert rows_of(tmp_path) == result.history
    assert result.metrics == pytest.approx(alone.metrics, rel=1e-3, abs=1e-4)
    weights = result.model.state_dict()
    for name, tensor in alone.model.state_dict().items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-3, msg=name)
    assert ranks() == []


def test_stopped_together_and_gone_on_by_one_process(tmp_path: Path, alone: PretrainResult) -> None:
    steps = pretrain(torchrun_job.videos(), config=torchrun_job.CONFIG, folder=tmp_path, seed=5, device="cpu")
    next(progress for progress in steps if progress.phase == "train")
    assert len(ranks()) == 2
    assert {os.getpgid(pid) for pid in ranks()} == {os.getpgid(0)}
    steps.close()
    assert ranks() == []
    saved = sorted((tmp_path / "checkpoints").glob("*.json"))
    assert saved

    result = finished(tmp_path, processes=1)
    assert_close(result.history, alone.history)


def test_torchrun_starts_them_as_well(tmp_path: Path, alone: PretrainResult) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    subprocess.run([*command, torchrun_job.__name__, str(tmp_path)], cwd=ROOT, check=True, timeout=300)
    assert_close(rows_of(tmp_path), alone.history)


def test_a_rank_that_dies_takes_the_group_with_it(tmp_path: Path) -> None:
    config = replace(torchrun_job.CONFIG, learn=replace(torchrun_job.CONFIG.learn, steps=100_000))
    steps = pretrain(torchrun_job.videos(), config=config, folder=tmp_path, seed=5, device="cpu")
    next(progress for progress in steps if progress.phase == "train")
    (victim,) = [pid for pid in ranks() if b"\x001\x002\x00" in command_of(pid)]
    os.kill(victim, signal.SIGKILL)
    with pytest.raises(RankLost, match=r"Process 1 of the 2 .* SIGKILL") as caught:
        run_to_end(steps, lambda _: None)
    assert caught.value.facts == {"rank": 1}
    assert ranks() == []


def test_with_dropout_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    """And what one of them raises is what the caller gets."""
    net = replace(torchrun_job.CONFIG.net, dropout=0.5)
    config = replace(torchrun_job.CONFIG, net=net, learn=replace(torchrun_job.CONFIG.learn, steps=1))
    finished(tmp_path, processes=1, config=config)
    with pytest.raises(CheckpointMismatch) as caught:
        finished(tmp_path, config=config)
    assert caught.value.facts == {"folder": str(tmp_path / "checkpoints")}
    assert ranks() == []


def test_a_stop_from_outside_is_told(tmp_path: Path) -> None:
    """A signal to the whole group: they stop by themselves, with a checkpoint, and the caller learns it."""
    config = replace(torchrun_job.CONFIG, learn=replace(torchrun_job.CONFIG.learn, steps=100_000))
    steps = pretrain(torchrun_job.videos(), config=config, folder=tmp_path, seed=5, device="cpu")
    next(progress for progress in steps if progress.phase == "train")
    for pid in ranks():
        os.kill(pid, signal.SIGTERM)
    with pytest.raises(RankLost, match="stopped from outside"):
        run_to_end(steps, lambda _: None)
    assert list((tmp_path / "checkpoints").glob("*.json"))
    wait_for(lambda: ranks() == [], what="the end of every process")


@pytest.mark.parametrize("processes", [0, 3, 4])
def test_processes_must_share_the_parts_equally(tmp_path: Path, processes: int) -> None:
    with pytest.raises(ConfigInvalid, match="equally"):
        finished(tmp_path, processes=processes)


def test_fewer_devices_than_asked_are_refused() -> None:
    check_enough(8, have=8, cuda=True)
    with pytest.raises(ConfigInvalid, match="devices is 8, but this machine has 4 usable GPUs"):
        check_enough(8, have=4, cuda=True)
    with pytest.raises(ConfigInvalid, match="processor cores"):
        devices_for("cpu", 100_000)
    assert devices_for("cpu", 1) == [torch.device("cpu")]


class TornClip(ArrayClip):
    """Its frames do not read back in a rank."""

    def frame(self, index: int) -> Frame:
        raise PackDamaged("torn", folder="somewhere")


def test_an_error_of_one_rank_is_the_callers(tmp_path: Path) -> None:
    clips = [video.pack for video in torchrun_job.videos()]
    torn = [TornClip(frames=clip.frames, flows=clip.flows) for clip in clips if isinstance(clip, ArrayClip)]
    videos = [PretrainVideo(name=str(i), pack=clip) for i, clip in enumerate(torn)]
    with pytest.raises(PackDamaged, match="torn") as caught:
        run_to_end(pretrain(videos, config=torchrun_job.CONFIG, folder=tmp_path, seed=5, device="cpu"), lambda _: None)
    assert caught.value.facts == {"folder": "somewhere"}
