import errno
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pfa_core.tensor_files import save_tensors
from tests.unit.pfa_core.disk import full_disk


def test_tensors_come_back_however_they_lay(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3).T, "b": torch.ones(2, requires_grad=True)}
    save_tensors(tensors, tmp_path / "a")
    found = load_file(tmp_path / "a")
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_what_the_system_says_is_an_os_error(tmp_path: Path) -> None:
    with full_disk(after_bytes=10_000), pytest.raises(OSError, match="os error") as caught:
        save_tensors({"a": torch.ones(100_000)}, tmp_path / "a")
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
