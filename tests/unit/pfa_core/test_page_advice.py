import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pfa_core.page_advice import read_ahead, read_at_random


def flags_at(address: int) -> set[str]:
    """What the kernel says of the mapping that holds an address: `rr` is random reading."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        bounds = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if bounds:
            inside = int(bounds[1], 16) <= address < int(bounds[2], 16)
        elif inside and line.startswith("VmFlags:"):
            return set(line.split()[1:])
    raise AssertionError("no mapping holds it")


@pytest.fixture
def mapped(tmp_path: Path) -> torch.Tensor:
    data = np.random.default_rng(1).integers(0, 256, 50_000, np.uint8)
    (tmp_path / "f").write_bytes(data.tobytes())
    return torch.from_file(str(tmp_path / "f"), shared=False, size=50_000, dtype=torch.uint8)


def test_random_reading_is_told(mapped: torch.Tensor) -> None:
    assert "rr" not in flags_at(mapped.data_ptr())
    read_at_random(mapped)
    assert "rr" in flags_at(mapped.data_ptr())


def test_advice_changes_no_byte_wherever_the_piece_begins_and_ends(mapped: torch.Tensor, tmp_path: Path) -> None:
    read_at_random(mapped)
    for start, end in ((0, 50_000), (0, 1), (4095, 4097), (4096, 8192), (12_345, 45_678), (49_999, 50_000), (7, 7)):
        read_ahead(mapped[start:end])
    assert mapped.numpy().tobytes() == (tmp_path / "f").read_bytes()
    with pytest.raises(AssertionError, match="range"):
        read_ahead(mapped[::2])
