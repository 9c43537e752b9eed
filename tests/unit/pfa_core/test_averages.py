import contextlib

import pytest
import torch
from torch import nn

from pfa_core.averages import Average
from pfa_core.errors import CheckpointMismatch
from pfa_core.seeds import seeded


def net() -> nn.Sequential:
    with seeded(1):
        return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def test_follows_the_recurrence_by_hand() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 5.0)
    average = Average(model, decay=0.5)
    expected = 5.0
    for step, weight in enumerate([1.0, -2.0, 7.0, 7.5, 0.25, 3.0, 3.0, 2.0, 9.0, 1.0], start=1):
        nn.init.constant_(model.weight, weight)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))  # 2/11, 3/12, 4/13, ... until it reaches 1/2 at the eighth
        expected = decay * expected + (1 - decay) * weight
        assert average.tensors()["weight"].item() == pytest.approx(expected, rel=1e-6)


def test_running_statistics_are_averaged_and_counters_are_not() -> None:
    model = net()
    assert Average(model, decay=0.9).tensors().keys() == {
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight", "2.bias",
    }  # fmt: skip


def test_what_does_not_move_stays_exactly_as_it_is() -> None:
    model = net()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    average = Average(model, decay=0.999)
    for step in range(1, 50):
        average.update(step)
    average.settle()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_applied_inside_and_gone_outside_also_after_an_error() -> None:
    model = nn.Linear(2, 2)
    average = Average(model, decay=0.9)
    with torch.no_grad():
        model.weight += 1
    average.update(1)
    own, averaged = model.weight.clone(), average.tensors()["weight"].clone()
    assert not torch.equal(own, averaged)
    seen = []
    with contextlib.suppress(ZeroDivisionError), average.applied():
        seen.append(model.weight.clone())
        seen.append(torch.tensor(1 // 0))
    assert len(seen) == 1
    assert torch.equal(seen[0], averaged)
    assert torch.equal(model.weight, own)
    assert torch.equal(average.tensors()["weight"], averaged)


def test_untrained_weights_are_not_kept_twice() -> None:
    model = net()
    model[0].requires_grad_(False)
    assert not [name for name in Average(model, decay=0.9).tensors() if name.startswith("0.")]


def test_averages_of_another_network_are_refused() -> None:
    with pytest.raises(CheckpointMismatch):
        Average(net(), decay=0.9).restore(Average(nn.Linear(3, 3), decay=0.9).tensors())
