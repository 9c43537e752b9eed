from pathlib import Path

import pytest
import torch

from pfa_core.memory import free_bytes, free_host_bytes

MEMINFO = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\nHugePages_Total:       0\n"


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    path = tmp_path / "meminfo"
    path.write_text(MEMINFO)
    return path


def limit(folder: Path, *, maximum: str, current: int) -> Path:
    (folder / "memory.max").write_text(maximum + "\n")
    (folder / "memory.current").write_text(f"{current}\n")
    return folder


@pytest.mark.parametrize(
    ("maximum", "current", "expected"),
    [
        ("max", 5, 8000 * 1024),
        ("3000000", 1_000_000, 2_000_000),
        ("99000000", 1_000_000, 8000 * 1024),
        ("3000000", 3_500_000, 0),
    ],
)
def test_the_tighter_of_machine_and_container(
    tmp_path: Path, meminfo: Path, maximum: str, current: int, expected: int
) -> None:
    assert free_host_bytes(meminfo=meminfo, cgroup=limit(tmp_path, maximum=maximum, current=current)) == expected


def test_without_a_container_the_machine_alone_counts(tmp_path: Path, meminfo: Path) -> None:
    assert free_host_bytes(meminfo=meminfo, cgroup=tmp_path / "none") == 8000 * 1024


def test_this_machine_answers() -> None:
    assert free_bytes(torch.device("cpu")) > 0
