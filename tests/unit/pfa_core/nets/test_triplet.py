import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pfa_core.config.net import NetConfig, Norm
from pfa_core.nets.triplet import TripletNet, pretext_loss
from pfa_core.seeds import seeded

NEGATIVES = torch.tensor([[1, 2], [2, 0], [0, 1]])


def net_of(norm: Norm = "lrn") -> TripletNet:
    with seeded(3):
        net = TripletNet(NetConfig(width=1 / 16, crop_px=64, norm=norm, dropout=0.0))
        torch.nn.init.normal_(net.answer.weight)  # the start is undecided; a test wants answers
        torch.nn.init.normal_(net.joint.bias)
        return net.double()


def inputs(num_blocks: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    frames = torch.randn(2, 3, 3, 64, 64, generator=generator, dtype=torch.float64)
    return frames[0], frames[1], torch.randn(num_blocks, 24, 64, 64, generator=generator, dtype=torch.float64)


def literal(net: TripletNet, first: Tensor, second: Tensor, block: Tensor, negatives: Tensor) -> Tensor:
    """As the paper says it: concatenate three features, then two layers; one combination at a time."""
    hidden = []
    for pair in range(len(first)):
        for index in [pair, *negatives[pair].tolist()]:
            parts = [
                net.appearance(first[pair : pair + 1]), net.appearance(second[pair : pair + 1]),
                net.motion(block[index : index + 1]),
            ]  # fmt: skip
            together = torch.cat(parts, dim=1)
            hidden.append(functional.linear(together, net.joint.weight, net.joint.bias))
    stacked = torch.cat(hidden)
    if net.joint_norm is not None:
        stacked = net.joint_norm(stacked)
    return net.answer(functional.relu(stacked)).view(len(first), -1, 2)


@pytest.mark.parametrize("norm", ["lrn", "batch"])
def test_equals_the_concatenation_of_the_paper(norm: Norm) -> None:
    net = net_of(norm).eval()
    torch.testing.assert_close(net(*inputs(), NEGATIVES), literal(net, *inputs(), NEGATIVES))


def test_gradients_equal_those_of_the_concatenation() -> None:
    ours, theirs = net_of(), net_of()
    pretext_loss(ours(*inputs(), NEGATIVES)).backward()
    pretext_loss(literal(theirs, *inputs(), NEGATIVES)).backward()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None, name
        assert mine.grad.abs().max() > 0, name
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-6, atol=1e-9)


def test_blocks_beyond_the_pairs_can_be_judged_too() -> None:
    net = net_of().eval()
    negatives = torch.tensor([[3], [4], [0]])
    torch.testing.assert_close(net(*inputs(5), negatives), literal(net, *inputs(5), negatives))


def test_each_feature_is_computed_once() -> None:
    net = net_of().eval()
    seen: list[int] = []
    for part in (net.appearance, net.motion):
        part.register_forward_hook(lambda _m, given, _o: seen.append(len(given[0])))
    net(*inputs(), NEGATIVES)
    assert seen == [6, 3]  # two frames a pair, and a block


def test_features_of_the_paper_have_12288_values_together() -> None:
    with torch.device("meta"):
        net = TripletNet(NetConfig())
    assert net.joint.weight.shape == (4096, 12288)
    assert net.answer.weight.shape == (2, 4096)
    assert net.motion.layers.conv1.conv.weight.shape == (96, 24, 7, 7)


def test_loss_by_hand() -> None:
    """Two pairs of one own and two other blocks: minus the mean log-probability of the right answer."""
    logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 3.0], [0.5, 0.5]]])
    right = [(1.0, 0.0), (2.0, 0.0), (0.0, 0.0), (0.0, 1.0), (0.0, 3.0), (0.5, 0.5)]  # (right, wrong) logits
    expected = sum(math.log(1 + math.exp(wrong - good)) for good, wrong in right) / 6
    assert pretext_loss(logits).item() == pytest.approx(expected, rel=1e-6)


def test_a_new_net_is_undecided() -> None:
    net = TripletNet(NetConfig(width=1 / 16, crop_px=64, norm="batch"))
    first, second, block = (t.float() for t in inputs())
    assert pretext_loss(net(first, second, block, NEGATIVES)).item() == pytest.approx(math.log(2), abs=0.1)
