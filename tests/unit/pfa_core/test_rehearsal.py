from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pfa_core.config.pretrain import PretrainConfig
from pfa_core.nets.triplet import TripletNet
from pfa_core.pretrain import PretrainVideo
from pfa_core.progress import Progress, run_to_end
from pfa_core.rates import flop_per_positive
from pfa_core.rehearsal import rehearse, stall_between
from pfa_core.stand_in import stand_in_clips
from tests.unit.pfa_core.test_pretrain import tiny


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def videos(config: PretrainConfig) -> list[PretrainVideo]:
    clips = stand_in_clips(config, count=4, num_frames=14)
    return [PretrainVideo(name=str(clip.number), pack=clip) for clip in clips]


class Clock:
    """Half a second passes between two looks."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def __call__(self) -> float:
        self._now_s += 0.5
        return self._now_s


@pytest.mark.parametrize("steps", [3, 100_000])
def test_a_few_steps_tell_of_all(tmp_path: Path, steps: int) -> None:
    config = replace(tiny(), learn=replace(tiny().learn, steps=steps, validate_every_steps=1))
    heard: list[Progress] = []
    found = run_to_end(
        rehearse(
            videos(config), config=config, folder=tmp_path, device="cpu", warm_up_steps=2, measured_steps=3,
            clock=Clock(),
        ),
        heard.append,
    )  # fmt: skip
    assert [(p.phase, p.step, p.total) for p in heard] == [("rehearse", n, 5) for n in (1, 2, 3, 4, 5)]
    assert not any("val_auc" in p.metrics for p in heard), "what is timed are steps alone"
    assert (found.step_s, found.positive_s, found.whole_s) == (0.5, 0.5 / 8, 0.5 * steps)
    assert found.batch_s == 0.5
    assert 0 <= found.stall < 1
    assert found.flop == 8 * flop_per_positive(config)
    assert found.flops == found.flop / 0.5
    assert found.utilisation == found.flops / found.matmul_flops
    weights = sum(p.numel() for p in _net(config).parameters())
    assert found.checkpoint_bytes == pytest.approx(2 * 4 * weights, rel=0.15), "weights and momentum"
    assert found.memory_bytes is not None
    assert found.memory_bytes > found.checkpoint_bytes


def test_stall_is_that_of_the_steps_between() -> None:
    """Two steps of 1 s with 2 s of waiting, then three of 2 s with 3 s of waiting: 3 of 9 s."""
    earlier = Progress(phase="train", step=2, total=9, metrics={"stall": 2 / 4, "step_ms": 1000.0})
    later = Progress(phase="train", step=5, total=9, metrics={"stall": 5 / 13, "step_ms": 8000 / 5})
    assert stall_between(earlier, later) == pytest.approx(3 / 9)


def _net(config: PretrainConfig) -> torch.nn.Module:
    return TripletNet(config.net, flow_maps=2 * config.gap_frames)
