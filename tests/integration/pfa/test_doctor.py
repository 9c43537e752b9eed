"""`pfa doctor` on an installation that is well, and on one in which each thing in turn is broken for real."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from typer.testing import CliRunner

from pfa.cli import app
from pfa.doctor import machine
from pfa.doctor.broker import broker, judged
from pfa.doctor.database import database
from pfa.doctor.finding import Finding, examined, ok
from pfa.doctor.folder import data_folder
from pfa.doctor.port import port
from pfa_store.settings import Settings
from pfa_store.specs import QUEUES
from pfa_store.store import Store
from tests.integration import broker as brokers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation that has been started once."""
    made = Settings(data_dir=tmp_path / "data", min_free_bytes=0, port=0)
    Store.open(made).close()
    return made


@pytest.fixture
def running() -> Iterator[brokers.Broker]:
    with brokers.broker() as made:
        yield made


def only(found: Iterator[Finding], check: str) -> Finding:
    (one,) = [each for each in found if each.check == check]
    return one


def test_a_sound_installation_is_healthy(settings: Settings) -> None:
    result = CliRunner().invoke(
        app, ["doctor", "--json"], env={"PFA_DATA_DIR": str(settings.data_dir), "PFA_PORT": "0"}
    )
    told = json.loads(result.stdout)
    assert result.exit_code == 0, told
    assert told["healthy"]
    checks = {each["check"]: each["verdict"] for each in told["findings"]}
    assert checks["migrations"] == checks["SQLite journal"] == checks["locks"] == checks["file system"] == "ok"
    assert checks["flow workers"] == "warning"
    assert all(each["remedy"] for each in told["findings"] if each["verdict"] != "ok")


def test_what_is_broken_is_exit_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["doctor"], env={"PFA_DATA_DIR": str(tmp_path / "file"), "PFA_PORT": "0"})
    assert result.exit_code == 1
    assert "PFA_DATA_DIR" in result.stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="pfa-doctor-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("outer", "inner"), [(0o711, 0o555), (0o700, 0o700)])
def test_a_folder_that_cannot_be_written_or_entered(open_folder: Path, outer: int, inner: int) -> None:
    """Root may do anything, so another user asks; who is no root finds only the first closed."""
    folder = open_folder / "data"
    folder.mkdir(mode=inner)
    open_folder.chmod(outer)
    if os.getuid() != 0 and outer == 0o700:
        pytest.skip("only root can ask as another user")
    program = (
        "import os\n"
        "from pathlib import Path\n"
        "from pfa.doctor.folder import data_folder\n"
        "from pfa_store.settings import Settings\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        f"for each in data_folder(Settings(data_dir=Path({str(folder)!r}))): print(each.verdict, each.remedy)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("broken Make "), done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_full_disk(settings: Settings) -> None:
    greedy = settings.model_copy(update={"min_free_bytes": 2**62})
    assert only(data_folder(greedy), "disk").verdict == "broken"


def test_a_folder_on_another_file_system(settings: Settings) -> None:
    """A link into /dev/shm is what a mount is: another device."""
    elsewhere = Path("/dev/shm")
    if elsewhere.stat().st_dev == settings.data_dir.stat().st_dev:
        pytest.skip("the test's folder lies in /dev/shm itself")
    (settings.data_dir / "models").rmdir()
    (settings.data_dir / "models").symlink_to(elsewhere)
    found = only(data_folder(settings), "file system")
    assert found.verdict == "broken"
    assert "models" in found.says


def test_a_key_that_others_may_read(settings: Settings) -> None:
    key = settings.data_dir / "admin.key"
    key.write_text("secret")
    key.chmod(0o644)
    assert only(data_folder(settings), "admin key").remedy == f"chmod 600 {key}"
    key.chmod(0o600)
    assert all(each.check != "admin key" for each in data_folder(settings))


def test_what_is_left_of_processes_that_died(settings: Settings) -> None:
    new, old = settings.data_dir / "tmp" / "new", settings.data_dir / "tmp" / "old"
    for path in (new, old):
        path.write_bytes(b"x" * 1024)
    assert only(data_folder(settings), "leftovers").verdict == "ok"
    two_days_ago_s = time.time() - 2 * 86400
    os.utime(old, (two_days_ago_s, two_days_ago_s))
    found = only(data_folder(settings), "leftovers")
    assert found.verdict == "warning"
    assert found.says.startswith("1 files")


def migrate_to(settings: Settings, revision: str) -> None:
    with closing(sqlite3.connect(settings.data_dir / "pfa.sqlite3")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
        connection.commit()


def test_tables_of_an_older_and_of_a_newer_release(settings: Settings) -> None:
    assert only(database(settings), "migrations").verdict == "ok"
    migrate_to(settings, "r0001")
    assert only(database(settings), "migrations").verdict == "warning"
    migrate_to(settings, "r9999")
    found = only(database(settings), "migrations")
    assert found.verdict == "broken"
    assert "r9999" in found.says


def test_a_database_that_does_not_answer(tmp_path: Path) -> None:
    nowhere = Settings(data_dir=tmp_path, database_url="postgresql://nobody:secret@127.0.0.1:1/none")
    (found,) = database(nowhere)
    assert found.verdict == "broken"
    assert "secret" not in found.says


def test_a_file_that_is_no_database(settings: Settings) -> None:
    path = settings.data_dir / "pfa.sqlite3"
    for leftover in settings.data_dir.glob("pfa.sqlite3-*"):
        leftover.unlink()
    path.write_bytes(b"not a database at all" * 1000)
    (found,) = database(settings)
    assert found.verdict == "broken"


def test_looking_makes_nothing(tmp_path: Path) -> None:
    fresh = Settings(data_dir=tmp_path / "data")
    assert [each.verdict for each in database(fresh)] == ["ok"]
    assert {each.verdict for each in data_folder(fresh)} <= {"ok", "warning"}
    assert list(tmp_path.iterdir()) == []


def test_several_hosts_want_postgresql(settings: Settings) -> None:
    store = Store.open(settings)
    for queue in QUEUES:
        store.workers.enter(queue, host="here", pid=7, version="0")
    assert "several hosts" not in {each.check for each in database(settings)}
    store.workers.enter("flow", host="there", pid=7, version="0")
    assert len(store.workers.list()) == 3, "equal process ids of two hosts are two workers"
    found = only(database(settings), "several hosts")
    assert found.verdict == "warning"
    assert "here, there" in found.says
    store.close()


def test_workers_are_told_with_their_last_sign(settings: Settings) -> None:
    clock_s = time.time()
    store = Store.open(settings, clock=lambda: clock_s)
    store.workers.enter("flow", host="here", pid=1, version="0")
    assert only(database(settings), "flow workers").verdict == "ok"
    assert only(database(settings), "train workers").verdict == "warning"
    clock_s -= 10 * settings.lease_s
    store.workers.enter("train", host="there", pid=2, version="0")
    lost = only(database(settings), "lost worker")
    assert "there (2)" in lost.says
    clock_s += 20 * settings.lease_s
    store.workers.enter("train", host="tomorrow", pid=3, version="0")
    assert only(database(settings), "worker's clock").verdict == "broken"
    store.close()


def test_a_broker_that_answers_and_one_that_does_not(settings: Settings, running: brokers.Broker) -> None:
    there = settings.model_copy(update={"broker_url": running.url})
    (found,) = broker(there)
    assert found.verdict == "broken"
    assert "PFA_BROKER_URL" in found.remedy
    running.start()
    verdicts = {each.check: each.verdict for each in broker(there)}
    assert verdicts == {"broker": "ok", "broker persistence": "warning"}
    wrong = settings.model_copy(update={"broker_url": "http://127.0.0.1:1"})
    assert [each.verdict for each in broker(wrong)] == ["broken"]


GOOD = {"redis_version": "7.2.4", "aof_enabled": 1, "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(
    ("changed", "verdicts"),
    [
        ({}, {"broker": "ok"}),
        ({"redis_version": "6.0.16"}, {"broker": "broken"}),
        ({"redis_version": "7.2.4", "valkey_version": "9.0.1", "server_name": "valkey"}, {"broker": "ok"}),
        ({"maxmemory_policy": "allkeys-lru"}, {"broker": "ok", "broker eviction": "warning"}),
        ({"aof_enabled": 0}, {"broker": "ok", "broker persistence": "warning"}),
    ],
)
def test_what_a_broker_says_of_itself(changed: dict[str, Any], verdicts: dict[str, str]) -> None:
    assert {each.check: each.verdict for each in judged({**GOOD, **changed})} == verdicts


def test_a_port_that_somebody_else_holds(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        (found,) = port(settings.model_copy(update={"port": other.getsockname()[1]}))
    assert found.verdict == "broken"
    assert "PFA_PORT" in found.remedy


def test_packages_against_the_pins() -> None:
    (good,) = machine.packages(["httpx>=0.1", "never-here>=1; python_version < '3'"], {})
    assert (good.verdict, good.says) == ("ok", "1 packages as this release wants them")
    (bad,) = machine.packages(["httpx>=999", "no-such-package-here"], {"httpx": "999.0"})
    assert bad.verdict == "broken"
    assert "httpx is" in bad.says
    assert "no-such-package-here is missing" in bad.says


def test_packages_against_the_lock(tmp_path: Path) -> None:
    here = metadata.version("httpx")
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        "# made by a tool\n"
        f"httpx=={here} \\\n    --hash=sha256:00\n"
        "Typing_Extensions[any]==0.0.1 ; python_version > '3'\n"
        "not-installed==3\n"
    )
    pins = machine.locked(lock)
    assert pins == {"httpx": here, "typing-extensions": "0.0.1", "not-installed": "3"}
    (found,) = machine.packages(["httpx"], pins)
    assert (found.verdict, found.says.split(", ")[1]) == ("warning", "tested with 0.0.1")
    assert "requirements.lock" in found.remedy
    (same,) = machine.packages(["httpx"], {"httpx": here})
    assert same.verdict == "ok"
    assert "in the lock" in same.says
    assert machine.locked(tmp_path / "none.lock") == {}


def test_the_lock_of_a_checkout_is_looked_at() -> None:
    """Every package that pyproject.toml asks for is pinned there, but torch (its build is chosen) and what is ours."""
    wanted = {canonicalize_name(Requirement(each).name) for each in machine.requirements()}
    assert wanted - set(machine.locked()) <= {"torch", "pfa", "pfa-client"}


def test_a_clock_that_was_never_set_and_one_that_lags(tmp_path: Path) -> None:
    (found,) = machine.clock(tmp_path, now_s=0.0)
    assert found.verdict == "broken"
    (tmp_path / "written").write_text("just now")
    assert [each.verdict for each in machine.clock(tmp_path)] == ["ok"]
    (late,) = machine.clock(tmp_path, now_s=time.time() - 3600)
    assert late.verdict == "broken"
    assert "future" in late.says


def test_a_check_that_is_at_a_loss_is_a_finding() -> None:
    def odd() -> Iterator[Finding]:
        raise ZeroDivisionError

    found = list(examined([odd, lambda: [ok("next", "still looked at")]]))
    assert [(each.check, each.verdict) for each in found] == [("odd", "broken"), ("next", "ok")]
