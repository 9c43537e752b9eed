"""`pfa gc` over a data folder with something to clear away."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pfa.cli import app
from pfa_store.settings import Settings
from pfa_store.store import Store


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """With an old job, whose events go, a temporary file of now, and one that a row of the future will not name."""
    folder = tmp_path / "data"
    long_ago_s = time.time() - 400 * 86400
    store = Store.open(Settings(data_dir=folder, min_free_bytes=0), clock=lambda: long_ago_s)
    store.jobs.add("flow", {"videos": ["v"]})
    job = store.jobs.claim_next("flow", "w")
    assert job is not None
    path = store.files.job_files(job.id, job.token) / "a.csv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 3 * 2**20)
    store.jobs.succeed(job, {})
    (folder / "tmp" / "now").write_bytes(b"x")
    store.close()
    return folder


def gc(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["gc", *arguments], env={"PFA_DATA_DIR": str(data_dir)})


def documents(data_dir: Path, *arguments: str) -> tuple[dict[str, Any], set[str]]:
    told = json.loads(gc(data_dir, *arguments, "--json").stdout)
    return told, {piece["kind"] for piece in told["pieces"]}


def test_a_dry_run_tells_what_then_goes(data_dir: Path) -> None:
    would, kinds = documents(data_dir, "--dry-run")
    assert (would["removed"], kinds) == (False, {"history", "files"})
    assert would["bytes"] >= 3 * 2**20
    assert list(data_dir.glob("jobs/*/files-1/a.csv"))
    did, _ = documents(data_dir)
    assert did == {**would, "removed": True}
    assert not list(data_dir.glob("jobs/*/files-1"))
    assert (data_dir / "tmp" / "now").exists()
    assert documents(data_dir)[0]["pieces"] == []


def test_people_read_sums(data_dir: Path) -> None:
    told = gc(data_dir, "--dry-run")
    assert told.exit_code == 0
    assert "2 pieces, 3.0 MiB would be removed" in told.stdout
    assert "0 pieces" not in gc(data_dir).stdout
    assert "0 pieces, 0.0 MiB were removed" in gc(data_dir).stdout


def test_beside_another_it_waits_for_its_turn(data_dir: Path) -> None:
    store = Store.open(Settings(data_dir=data_dir, min_free_bytes=0))
    assert store.garbage_collection().begin()
    refused = gc(data_dir)
    assert refused.exit_code == 1
    assert f":{os.getpid()}:" in refused.stderr
    store.close()
