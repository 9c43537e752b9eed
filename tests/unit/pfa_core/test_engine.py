import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]  # it has no stubs
from torch import Tensor, nn

from pfa_core.checkpoint import load_best
from pfa_core.config.net import LearnConfig
from pfa_core.engine import Goal, TrainResult, train
from pfa_core.errors import CheckpointMismatch, ConfigInvalid, TrainingDiverged
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core.toy_run import equal


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums are then added in one order, so that runs can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def one_weight(value: float = 1.0) -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def plain(steps: int = 3, **changes: Any) -> LearnConfig:
    base = LearnConfig(
        batch_size=1, steps=steps, learning_rate=0.1, drop_at=1.0, weight_decay=0.0,
        validate_every_steps=1000, checkpoint_every_steps=1000, autocast=False,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def start(model: nn.Module, folder: Path, learn: LearnConfig, loss_of: Callable[..., Any], **more: Any) -> Any:
    return train(
        model, batch_of=lambda step: torch.tensor([[float(step)]]), loss_of=loss_of, learn=learn, folder=folder,
        config_sha256="x", device=torch.device("cpu"), seed=0, **more,
    )  # fmt: skip


def test_steps_follow_sgd_with_momentum_and_decay_by_hand(tmp_path: Path) -> None:
    """loss = 3 w, so the gradient is 3 + decay w; v = 0.9 v + g; w = w - rate v."""
    model = one_weight()
    learn = plain(steps=4, weight_decay=0.01, schedule="step", drop_at=0.5)
    run_to_end(start(model, tmp_path, learn, lambda net, _: (3 * net.weight.sum(), {})), lambda _: None)

    weight, velocity = 1.0, 0.0
    for rate in (0.1, 0.1, 0.01, 0.01):
        velocity = 0.9 * velocity + 3 + 0.01 * weight
        weight -= rate * velocity
    assert model.get_parameter("weight").item() == pytest.approx(weight, rel=1e-6)


def test_averaged_weights_are_validated_and_returned(tmp_path: Path) -> None:
    """loss = 3 w, so w falls by 3 rate a step; a = d a + (1 - d) w with d = min(decay, (1 + t) / (10 + t))."""
    model = one_weight()
    learn = plain(steps=30, momentum=0.0, ema_decay=0.6, validate_every_steps=1)
    result = run_to_end(
        start(
            model, tmp_path, learn, lambda net, _: (3 * net.weight.sum(), {}),
            validate=lambda net: {"weight": net.get_parameter("weight").item()},
        ),
        lambda _: None,
    )  # fmt: skip

    weight, average, expected = 1.0, 1.0, []
    for step in range(1, 31):
        weight -= 0.1 * 3
        decay = min(0.6, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
        expected.append(average)
    assert [row["val_weight"] for row in result.history] == pytest.approx(expected, rel=1e-5)
    assert model.get_parameter("weight").item() == pytest.approx(average, rel=1e-5)


def judged(folder: Path, figures: list[float], **changes: Any) -> tuple[nn.Module, TrainResult, list[Progress]]:
    """A run of six steps, each validated, whose weight falls by 1 a step from 10 and whose figures are these."""
    model, heard = one_weight(10.0), list[Progress]()
    learn = plain(steps=6, momentum=0.0, validate_every_steps=1, **changes)
    left = iter(figures)
    steps = start(
        model, folder, learn, lambda net, _: (10 * net.weight.sum(), {}), validate=lambda _: {"auc": next(left)},
        goal=Goal(figure="auc", larger_is_better=True),
    )  # fmt: skip
    return model, run_to_end(steps, heard.append), heard


def test_the_last_weights_are_returned_and_the_best_are_kept(tmp_path: Path) -> None:
    model, result, _ = judged(tmp_path, [0.5, 0.7, math.nan, 0.7, 0.6, 0.5])
    assert model.get_parameter("weight").item() == pytest.approx(4.0)
    assert (result.metrics["auc"], result.metrics["best_step"]) == (0.5, 2)
    assert "stopped_step" not in result.metrics
    best = load_best(tmp_path / "checkpoints", step=2, config_sha256="x")
    assert best["weight"].item() == pytest.approx(8.0)


def test_the_best_weights_are_returned_where_asked_with_their_figures(tmp_path: Path) -> None:
    model, result, _ = judged(tmp_path, [0.5, 0.7, 0.6, 0.7, 0.6, 0.5], returns="best")
    assert model.get_parameter("weight").item() == pytest.approx(8.0)
    assert (result.metrics["auc"], result.metrics["best_step"], result.steps) == (0.7, 2, 6)


def test_stops_when_patience_is_over_and_returns_the_best(tmp_path: Path) -> None:
    """The best is the third; the fourth ties, the fifth is worse."""
    model, result, heard = judged(tmp_path, [0.7, 0.6, 0.8, 0.8, 0.1, 0.9], patience=2)
    assert model.get_parameter("weight").item() == pytest.approx(7.0)
    assert (result.metrics["auc"], result.metrics["best_step"], result.metrics["stopped_step"]) == (0.8, 3, 5)
    assert [(p.step, p.total) for p in heard] == [(1, 6), (2, 6), (3, 6), (4, 6), (5, 5)]


def test_patience_that_lasts_to_the_end_stops_nothing(tmp_path: Path) -> None:
    model, result, heard = judged(tmp_path, [0.7, 0.6, 0.8, 0.8, 0.1, 0.9], patience=3, returns="last")
    assert model.get_parameter("weight").item() == pytest.approx(4.0)
    assert (result.metrics["auc"], result.metrics["best_step"]) == (0.9, 6)
    assert "stopped_step" not in result.metrics
    assert (heard[-1].step, heard[-1].total) == (6, 6)


def test_without_validation_all_the_steps_are_taken(tmp_path: Path) -> None:
    steps = start(
        one_weight(), tmp_path, plain(patience=1), _through, goal=Goal(figure="auc", larger_is_better=True)
    )  # fmt: skip
    result = run_to_end(steps, lambda _: None)
    assert result.steps == 3
    assert not {"best_step", "stopped_step"} & result.metrics.keys()


@pytest.mark.parametrize("changes", [{"patience": 2}, {"returns": "best"}])
def test_the_best_by_nothing_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid, match="no validation figure"):
        next(start(one_weight(), tmp_path, plain(**changes), _through))


def test_gradients_are_clipped_to_max_norm(tmp_path: Path) -> None:
    model = one_weight()
    learn = plain(steps=1, max_norm=0.5)
    run_to_end(start(model, tmp_path, learn, lambda net, _: (3 * net.weight.sum(), {})), lambda _: None)
    assert model.get_parameter("weight").item() == pytest.approx(1 - 0.1 * 0.5, rel=1e-5)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_divergence_is_raised_before_the_step(tmp_path: Path, bad: float) -> None:
    model = one_weight()

    def loss_of(net: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        factor = torch.where(batch == 2, bad, 0.0)  # the third batch
        return (net(torch.ones(1, 1)) * (1 + factor)).sum(), {}

    steps = start(model, tmp_path, plain(steps=5), loss_of)
    next(steps)
    next(steps)
    before = model.get_parameter("weight").clone()
    with pytest.raises(TrainingDiverged, match="step 3") as caught:
        next(steps)
    assert caught.value.facts == {"step": 3}
    assert torch.equal(model.get_parameter("weight"), before)


def test_only_the_chosen_parameters_move_and_frozen_batch_norms_keep_their_statistics(tmp_path: Path) -> None:
    frozen, free, last = nn.BatchNorm1d(1), nn.Linear(1, 1), nn.BatchNorm1d(1)
    model = nn.Sequential(frozen, free, last)
    before = {name: tensor.clone() for name, tensor in frozen.state_dict().items()}
    still = free.weight.clone()

    def loss_of(net: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        return net(batch + torch.arange(4.0)[:, None]).pow(3).sum(), {}

    run_to_end(
        start(model, tmp_path, plain(), loss_of, parameters=[*free.parameters(), *last.parameters()]),
        lambda _: None,
    )
    assert equal(frozen.state_dict(), before)
    assert not torch.equal(free.weight, still)
    assert int(last.state_dict()["num_batches_tracked"]) == 3


def test_events_and_rows_can_be_read_while_it_runs(tmp_path: Path) -> None:
    steps = start(one_weight(), tmp_path, plain(steps=9), lambda net, _: (net.weight.sum(), {"accuracy": 0.5}))
    next(steps)
    row = {"step": 1, "loss": pytest.approx(1.0), "accuracy": 0.5, "learning_rate": 0.1}
    assert rows_of(tmp_path) == [row]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0)]
    steps.close()


def test_times_are_reported_apart_from_the_rows(tmp_path: Path) -> None:
    heard: list[Progress] = []
    steps = start(one_weight(), tmp_path, plain(steps=4), lambda net, _: (net.weight.sum(), {}))
    result = run_to_end(steps, heard.append)
    times = [json.loads(line) for line in (tmp_path / "times.jsonl").read_text().splitlines()]
    assert [row["step"] for row in times] == [1, 2, 3, 4]
    assert all(row.keys() == {"step", "stall", "step_ms"} for row in times)
    assert all(0 <= figures["stall"] <= 1 for figures in (*times, result.times, *(p.metrics for p in heard)))
    assert result.times["step_ms"] > 0
    assert not any("stall" in row for row in result.history)
    assert "stall" not in result.metrics
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("time/stall")] == [1, 2, 3, 4]


def test_progress_carries_figures_of_the_batch_and_of_the_last_validation(tmp_path: Path) -> None:
    heard: list[Progress] = []
    learn = plain(steps=4, validate_every_steps=2)
    result = run_to_end(
        start(one_weight(), tmp_path, learn, lambda net, _: (net.weight.sum(), {}), validate=lambda _: {"auc": 0.75}),
        heard.append,
    )
    assert [(p.phase, p.step, p.total) for p in heard] == [("train", n, 4) for n in (1, 2, 3, 4)]
    assert "val_auc" not in heard[0].metrics
    assert heard[1].metrics["val_auc"] == 0.75
    assert result.metrics["auc"] == 0.75
    assert [row["step"] for row in result.history] == [1, 2, 3, 4]
    assert [row.get("val_auc") for row in result.history] == [None, 0.75, None, 0.75]


def test_a_failing_batch_reaches_the_caller(tmp_path: Path) -> None:
    def batch_of(step: int) -> Tensor:
        if step == 2:
            raise RuntimeError("no such batch")
        return torch.zeros(1, 1)

    steps = train(
        one_weight(), batch_of=batch_of, loss_of=lambda net, _: (net(torch.ones(1, 1)).sum(), {}), learn=plain(9),
        folder=tmp_path, config_sha256="x", device=torch.device("cpu"), seed=0,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="no such batch"):
        run_to_end(steps, lambda _: None)


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    steps = start(one_weight(), tmp_path, plain(), lambda net, _: (net.weight.sum(), {}))
    next(steps)
    steps.close()
    other = train(
        one_weight(), batch_of=lambda _: torch.zeros(1, 1), loss_of=_through, learn=plain(),
        folder=tmp_path, config_sha256="y", device=torch.device("cpu"), seed=0,
    )  # fmt: skip
    with pytest.raises(CheckpointMismatch):
        next(other)


def test_global_random_state_is_untouched(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout())
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    run_to_end(start(model, tmp_path, plain(), _through), lambda _: None)
    assert torch.equal(torch.rand(3), expected)


def _through(net: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
    return net(batch).sum(), {}
