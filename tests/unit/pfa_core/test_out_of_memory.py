"""Memory that really ran out, in each library, is recognised; other errors are not."""

import numpy as np
import pytest
import torch

from pfa_core.errors import OutOfMemory
from pfa_core.out_of_memory import out_of_memory

FAR_TOO_MANY = 2**50


@pytest.mark.parametrize(
    "take",
    [
        lambda: np.empty(FAR_TOO_MANY),
        lambda: torch.empty(FAR_TOO_MANY),
        lambda: bytearray(FAR_TOO_MANY),
    ],
    ids=["numpy", "torch", "python"],
)
def test_what_the_libraries_raise(take: object) -> None:
    assert callable(take)
    with pytest.raises((MemoryError, RuntimeError)) as raised:
        take()
    found = out_of_memory(raised.value)
    assert isinstance(found, OutOfMemory)
    assert "batch_size" in str(found)
    assert len(str(found).splitlines()) == 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_gpu_raises() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(FAR_TOO_MANY, device="cuda")
    assert out_of_memory(raised.value) is not None


def test_what_torch_raises_for_a_gpu() -> None:
    """The message of torch 2.13's CUDA allocator."""
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of ...")
    assert out_of_memory(error) is not None


@pytest.mark.parametrize("error", [RuntimeError("shape '[2]' is invalid"), ValueError("out of memory"), KeyError("x")])
def test_other_errors_are_others(error: Exception) -> None:
    assert out_of_memory(error) is None
