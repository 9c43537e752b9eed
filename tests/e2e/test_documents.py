"""What README and quickstart say to type, typed: in their order, into one shell, against a real `pfa up`.

Three things differ from what a reader does: the port is a free one, a refused call of curl is a failure, and `pfa` and
`python` are those of the tests.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents import ROOT, script
from tests.e2e.conftest import UpProcess, start_up

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

STRICT = """set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body "$@"; }
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[UpProcess]:
    """A service whose data folder is where the documents say: `pfa-data`, beside what is typed."""
    running = start_up(tmp_path)
    (tmp_path / "pfa-data").symlink_to(running.data_dir)
    yield running
    assert running.stop() == 0, running.log.read_text()


def typed(document: str, folder: Path, service: UpProcess) -> str:
    """What the commands of a document print; all of them must succeed."""
    commands = folder / "bin"
    commands.mkdir()
    for name, words in {"pfa": f"{sys.executable} -m pfa", "python": sys.executable}.items():
        (commands / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (commands / name).chmod(0o755)
    environment = {
        **service.environment,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
    }
    done = subprocess.run(
        ["bash"], input=STRICT + script(document).replace("http://127.0.0.1:8000", service.url), cwd=folder,
        env=environment, capture_output=True, text=True, timeout=1000, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def test_the_readme_goes_from_upload_to_prediction(service: UpProcess, tmp_path: Path) -> None:
    said = typed("README.md", tmp_path, service)
    assert said.count("event: done") == 3
    assert said.count('"status": "succeeded"') == 3
    assert (tmp_path / "overlay.png").read_bytes().startswith(b"\x89PNG")
    assert b'"heatmaps"' in (tmp_path / "pose.json").read_bytes()
    assert (tmp_path / "pdj.png").read_bytes().startswith(b"\x89PNG")


def test_the_quickstart_goes_the_whole_way(service: UpProcess, tmp_path: Path) -> None:
    typed("docs/quickstart.md", tmp_path, service)
    with service.http() as http:
        assert {job["status"] for job in http.get("/jobs").json()["items"]} == {"succeeded"}
        assert http.get("/models/joints").json()["aliases"] == {"production": 1}
    assert b'"distance"' in (tmp_path / "nearest.json").read_bytes()
    assert list((tmp_path / "answers").iterdir())
    assert (tmp_path / "joints" / "manifest.json").is_file()
