"""torch's own schedulers are the oracle."""

import warnings
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from pfa_core.config.net import LearnConfig, Schedule
from pfa_core.schedules import learning_rate


def rates(schedule: Schedule, *, steps: int, drop_at: float = 0.75) -> list[float]:
    learn = LearnConfig(
        batch_size=1, steps=steps, learning_rate=0.2, schedule=schedule, drop_at=drop_at,
        validate_every_steps=1, checkpoint_every_steps=1,
    )  # fmt: skip
    return [learning_rate(step, learn) for step in range(steps)]


def torch_rates(make: Any, *, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.2)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        with warnings.catch_warnings(action="ignore"):  # torch warns past a scheduler's last step
            scheduler.step() if len(found) < steps else None
    return found


@pytest.mark.parametrize("steps", [10, 37, 500])
def test_one_cycle_equals_torch(steps: int) -> None:
    expected = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.2, total_steps=steps, cycle_momentum=False), steps=steps
    )
    assert rates("one_cycle", steps=steps) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("steps", [1, 10, 37])
def test_cosine_equals_torch(steps: int) -> None:
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=steps), steps=steps)
    assert rates("cosine", steps=steps) == pytest.approx(expected, rel=1e-9)


def test_step_is_the_papers_schedule() -> None:
    """75 000 iterations at the first rate, then 25 000 at a tenth."""
    found = rates("step", steps=100_000)
    assert found[:75_000] == [0.2] * 75_000
    assert found[75_000:] == pytest.approx([0.02] * 25_000)


@pytest.mark.parametrize("schedule", ["step", "cosine", "one_cycle"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_very_short_runs_have_usable_rates(schedule: Schedule, steps: int) -> None:
    assert all(0 < rate <= 0.2 for rate in rates(schedule, steps=steps))
