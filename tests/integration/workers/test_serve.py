"""`python -m workers.serve` when it cannot serve: it says why and leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def serve(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PFA_")}
    return subprocess.run(
        [sys.executable, "-m", "workers.serve", *arguments],
        env={**clean, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_broker_is_needed(tmp_path: Path) -> None:
    done = serve(PFA_DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "PFA_BROKER_URL" in done.stderr


@pytest.mark.parametrize("queue", ["gpu", "flow,", ""])
def test_an_unknown_queue_is_refused(queue: str, tmp_path: Path) -> None:
    done = serve("--queue", queue, PFA_DATA_DIR=str(tmp_path), PFA_BROKER_URL="redis://localhost:1")
    assert done.returncode == 2
    assert "flow, train" in done.stderr


def test_a_database_is_needed(tmp_path: Path) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"
    done = serve(PFA_DATA_DIR=str(tmp_path), PFA_BROKER_URL="redis://localhost:1", PFA_DATABASE_URL=url)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr
