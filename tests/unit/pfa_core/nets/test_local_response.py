"""torch's own LocalResponseNorm is the oracle."""

import pytest
import torch
from torch import nn

from pfa_core.nets.local_response import local_response


def test_local_response_of_fp16_does_not_overflow() -> None:
    """Squares of 1000 are beyond fp16's 65504."""
    maps = torch.randn(2, 9, 5, 7, generator=torch.Generator().manual_seed(0)).mul(1000).half()
    ours = maps.clone().requires_grad_()
    found = local_response(ours)
    assert found.dtype == torch.float16
    expected = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(maps.double())
    torch.testing.assert_close(found.detach().double(), expected, rtol=2e-3, atol=1e-3)
    found.float().sum().backward()
    assert ours.grad is not None
    assert torch.isfinite(ours.grad).all()


@pytest.mark.parametrize("channels", [1, 4, 96])
@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_local_response_equals_torchs(channels: int, beta: float) -> None:
    maps = torch.randn(2, channels, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 30
    ours, theirs = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    expected = nn.LocalResponseNorm(5, alpha=5e-4, beta=beta, k=2.0)(theirs)
    found = local_response(ours, beta=beta)
    torch.testing.assert_close(found, expected)
    found.sin().sum().backward()
    expected.sin().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_without_gradients_it_gives_the_same() -> None:
    maps = torch.randn(2, 9, 5, 7, generator=torch.Generator().manual_seed(0)).mul(30).requires_grad_()
    with torch.no_grad():
        plain = local_response(maps)
    assert torch.equal(local_response(maps), plain)
