"""A few steps of a pretraining run, to learn what the whole of it will need."""

import itertools
import resource
import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pfa_core.config.pretrain import PretrainConfig
from pfa_core.frame_store import FrameStore
from pfa_core.memory import free_bytes
from pfa_core.parts import sample_parts
from pfa_core.pretrain import PretrainVideo, pretrain
from pfa_core.progress import Progress, run_to_end
from pfa_core.ranks import devices_for
from pfa_core.rates import flop_per_positive, matmul_flops

_NUM_BATCHES = 3
"""Batches that are cut without a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a run was measured to take."""

    device: str
    devices: int
    warm_up_steps: int
    measured_steps: int
    step_s: float
    """Median of the measured steps."""
    positive_s: float
    """Of a step, per positive of the whole batch."""
    batch_s: float
    """To cut one device's part of a batch."""
    stall: float
    """Share of the measured steps' time that was spent waiting for batches, in [0, 1]."""
    memory_bytes: int | None
    """At most held at once, of a GPU's memory or of the machine's, by one process; None for several GPUs."""
    checkpoint_bytes: int
    whole_s: float
    """All steps of the schedule at this pace, validations and checkpoints not counted."""
    flop: float
    """Floating-point operations of a step, forward and backward."""
    matmul_flops: float
    """Operations per second that one device reaches on large matrices in the precision of the run."""

    @property
    def flops(self) -> float:
        """Operations per second of the run, on all devices."""
        return self.flop / self.step_s

    @property
    def utilisation(self) -> float:
        """Share of what the devices' matrix products would reach."""
        return self.flops / (self.matmul_flops * self.devices)


def rehearse(
    videos: Sequence[PretrainVideo],
    *,
    config: PretrainConfig,
    folder: Path,
    seed: int = 0,
    device: str = "auto",
    warm_up_steps: int = 2,
    measured_steps: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[Progress, None, Rehearsal]:
    """Begin a run as `pretrain` does, time its steps, and stop it as any run is stopped: with a checkpoint.

    Args:
        folder: an empty folder; afterwards it holds the checkpoint, which is of no use.
        warm_up_steps: steps before the measured ones, >= 1.

    Raises:
        As `pretrain`.
    """
    assert warm_up_steps >= 1
    total = warm_up_steps + measured_steps
    first = devices_for(device, config.devices)[0]
    if first.type == "cuda":
        torch.cuda.reset_peak_memory_stats(first)
    ends_s: list[float] = []
    told: list[Progress] = []
    with closing(pretrain(videos, config=_brief(config, total), folder=folder, seed=seed, device=device)) as run:
        for progress in run:
            if progress.phase == "train":
                ends_s.append(clock())
                told.append(progress)
                yield Progress(phase="rehearse", step=len(ends_s), total=total, metrics=progress.metrics)
            if len(ends_s) == total:
                break
    memory_bytes = _peak_bytes(first, processes=config.devices)
    step_s = statistics.median(later - before for before, later in itertools.pairwise(ends_s[warm_up_steps - 1 :]))
    batch_s = _batch_s(videos, config, device=first, clock=clock)
    return Rehearsal(
        device=torch.cuda.get_device_name(first) if first.type == "cuda" else "cpu",
        devices=config.devices,
        warm_up_steps=warm_up_steps,
        measured_steps=measured_steps,
        step_s=step_s,
        positive_s=step_s / config.learn.batch_size,
        batch_s=batch_s,
        stall=stall_between(told[warm_up_steps - 1], told[-1]),
        memory_bytes=memory_bytes,
        checkpoint_bytes=_newest_bytes(folder / "checkpoints"),
        whole_s=step_s * config.learn.steps,
        flop=config.learn.batch_size * flop_per_positive(config),
        matmul_flops=matmul_flops(first, wanted=config.learn.autocast, clock=clock),
    )


def stall_between(earlier: Progress, later: Progress) -> float:
    """The share of waiting between two steps of one run, each of which tells it from the run's beginning on."""
    (waited_s, passed_s), (waited_later_s, passed_later_s) = (_times(progress) for progress in (earlier, later))
    return (waited_later_s - waited_s) / (passed_later_s - passed_s)


def _times(progress: Progress) -> tuple[float, float]:
    """Seconds waited, and seconds in all, since the beginning of the run."""
    stall, step_s = progress.metrics["stall"], progress.step * progress.metrics["step_ms"] / 1e3
    return step_s * stall / (1 - stall), step_s / (1 - stall)


def _brief(config: PretrainConfig, total: int) -> PretrainConfig:
    """The same run, without a validation or a checkpoint in its first `total` steps, nor its end there."""
    steps = max(config.learn.steps, total + 1)
    learn = replace(config.learn, steps=steps, validate_every_steps=steps, checkpoint_every_steps=steps)
    return replace(config, learn=learn)


def _batch_s(
    videos: Sequence[PretrainVideo], config: PretrainConfig, *, device: torch.device, clock: Callable[[], float]
) -> float:
    """Median time to cut a part of a batch, from memory."""
    store = FrameStore([video.pack for video in videos], cache_bytes=free_bytes(device) // 2, device=device)
    run_to_end(store.load(), lambda _: None)
    times_s = []
    for step in range(_NUM_BATCHES):
        began_s = clock()
        sample_parts(store, config, key=(step,), parts=[0])
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times_s.append(clock() - began_s)
    return statistics.median(times_s)


def _peak_bytes(device: torch.device, *, processes: int) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) if processes == 1 else None
    who = resource.RUSAGE_SELF if processes == 1 else resource.RUSAGE_CHILDREN
    return resource.getrusage(who).ru_maxrss << 10  # Linux tells KiB


def _newest_bytes(checkpoints: Path) -> int:
    newest = max(checkpoints.glob("step-*.json")).stem
    return sum(path.stat().st_size for path in checkpoints.glob(f"{newest}.*"))
