import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pfa_core.nets.split_linear import split_linear


def leaves(seed: int, dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], Tensor]:
    """Three parts of 4 rows and 5 features, and a weight of 6 units."""
    random = torch.Generator().manual_seed(seed)
    parts = [torch.randn(4, 5, generator=random, dtype=torch.float64).to(dtype).requires_grad_() for _ in range(3)]
    return parts, torch.randn(6, 15, generator=random, dtype=torch.float64).to(dtype).requires_grad_()


def test_its_sum_and_gradients_are_those_of_the_layer_over_the_concatenation() -> None:
    parts, weight = leaves(0)
    theirs, whole = leaves(0)
    found = sum(split_linear(parts, weight), torch.zeros(()))
    expected = functional.linear(torch.cat(theirs, dim=1), whole)
    torch.testing.assert_close(found, expected)
    found.sin().sum().backward()
    expected.sin().sum().backward()
    for ours, other in zip([*parts, weight], [*theirs, whole], strict=True):
        torch.testing.assert_close(ours.grad, other.grad)


def test_parts_may_have_different_rows() -> None:
    _, weight = leaves(1)
    parts = [torch.ones(rows, 5, dtype=torch.float64, requires_grad=True) for rows in (1, 2, 7)]
    assert torch.autograd.gradcheck(lambda *given: split_linear(given[:3], given[3]), (*parts, weight))


def test_without_gradients_it_gives_the_same() -> None:
    parts, weight = leaves(2)
    with torch.no_grad():
        plain = split_linear(parts, weight)
    assert all(torch.equal(ours, other) for ours, other in zip(split_linear(parts, weight), plain, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_under_autocast_the_parts_decide_the_type(dtype: torch.dtype) -> None:
    exact, precise = leaves(3)
    parts, _ = leaves(3, dtype)
    weight = precise.detach().float().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = split_linear(parts, weight)
    assert {answer.dtype for answer in found} == {dtype}
    torch.stack(found).sum().backward()
    torch.stack(split_linear(exact, precise)).sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
    tolerance = 0.03 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(weight.grad.double(), precise.grad, rtol=tolerance, atol=tolerance)
