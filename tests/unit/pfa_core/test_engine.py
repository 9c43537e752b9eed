import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pfa_core.engine import train
from pfa_core.errors import CheckpointMismatch, TrainingDiverged
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core.one_weight import one_weight, plain, start, through
from tests.unit.pfa_core.toy_run import equal


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums are then added in one order, so that runs can be compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
        one_weight(), batch_of=lambda _: torch.zeros(1, 1), loss_of=through, learn=plain(),
        folder=tmp_path, config_sha256="y", device=torch.device("cpu"), seed=0,
    )  # fmt: skip
    with pytest.raises(CheckpointMismatch):
        next(other)


def test_global_random_state_is_untouched(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout())
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    run_to_end(start(model, tmp_path, plain(), through), lambda _: None)
    assert torch.equal(torch.rand(3), expected)
