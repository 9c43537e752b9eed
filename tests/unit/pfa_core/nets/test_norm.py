"""Two processes, each with half of a batch, against torch's own norms on the whole batch."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pfa_core.nets.norm import SharedBatchNorm, share_norms
from pfa_core.progress import Progress, run_to_end
from pfa_core.rank_group import run_ranks
from pfa_core.ranks import Ranks

STEPS = 3


class Normed(nn.Module):
    """Both kinds of norm."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.BatchNorm2d(3)
        self.top = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3 * 4))

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.top(torch.tanh(self.maps(maps)))
        return out


def new_net() -> Normed:
    net = Normed()
    generator = torch.Generator().manual_seed(1)
    for parameter in net.parameters():
        nn.init.normal_(parameter, mean=1.0, generator=generator)
    return net


def batch(step: int) -> tuple[Tensor, Tensor]:
    """(8, 3, 2, 2) inputs whose halves differ a lot, and the weights of the loss."""
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(8, 3, 2, 2, generator=generator) * 2 + torch.arange(8.0)[:, None, None, None]
    return inputs, torch.randn(8, 12, generator=generator)


def traces(net: nn.Module, rows: slice) -> dict[str, Tensor]:
    """What a few steps give: outputs and gradients of the rows, and the state at the end."""
    found: dict[str, Tensor] = {}
    for step in range(STEPS):
        inputs, weights = (tensor[rows] for tensor in batch(step))
        inputs.requires_grad_()
        out = net(inputs)
        (out * weights).sum().backward()
        assert inputs.grad is not None
        found |= {f"out {step}": out.detach(), f"gradient {step}": inputs.grad}
    found |= {name: parameter.grad for name, parameter in net.named_parameters() if parameter.grad is not None}
    return found | {f"state {name}": tensor for name, tensor in net.state_dict().items()}


def half(ranks: Ranks, *, folder: Path) -> Generator[Progress, None, None]:
    """What one of the two processes does."""
    net = new_net()
    share_norms(net)
    found = traces(net, slice(4 * ranks.rank, 4 * ranks.rank + 4))
    net.eval()
    with torch.no_grad():
        found["evaluated"] = net(batch(9)[0])
    torch.save(found, folder / f"{ranks.rank}.pt")
    yield Progress(phase="done", step=1, total=1)


def test_two_halves_equal_the_whole(tmp_path: Path) -> None:
    whole = new_net()
    expected = traces(whole, slice(None))
    whole.eval()
    evaluated = whole(batch(9)[0])

    run_to_end(run_ranks(partial(half, folder=tmp_path), count=2, device="cpu"), lambda _: None)

    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert first.keys() == second.keys() == {*expected, "evaluated"}
    for name, value in expected.items():
        if name.startswith(("out", "gradient")):
            ours = torch.cat([first[name], second[name]])
        elif name.startswith("state"):
            assert torch.equal(first[name], second[name]), name
            ours = first[name]
        else:  # a parameter's gradient: each rank has that of its own rows
            ours = first[name] + second[name]
        torch.testing.assert_close(ours, value, rtol=1e-4, atol=1e-5, msg=name)
    torch.testing.assert_close(first["evaluated"], evaluated, rtol=1e-4, atol=1e-5)


def test_sharing_keeps_the_tensors_and_their_names() -> None:
    net = new_net()
    before = dict(net.state_dict(keep_vars=True))
    share_norms(net)
    after = net.state_dict(keep_vars=True)
    assert {type(module) for module in net.modules()} >= {SharedBatchNorm}
    assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in net.modules())
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def test_rows_of_other_shapes_are_refused() -> None:
    with pytest.raises(AssertionError):
        SharedBatchNorm.of(nn.BatchNorm1d(3)).eval()(torch.zeros(2, 3, 4))
