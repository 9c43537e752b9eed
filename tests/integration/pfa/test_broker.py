"""The broker that `pfa up` starts: a real server, from either source."""

import os
from pathlib import Path

import pytest
import redis

from pfa.broker import local_broker
from pfa.children import Child, Children
from tests.missing import missing


def _start(folder: Path) -> tuple[Children, redis.Redis, str]:
    broker = local_broker(folder)
    child = Child(name="broker", command=broker.command, env=os.environ)
    children = Children(announce=lambda message: None)
    children.start(child)
    broker.wait_until_ready(lambda: child.exit_code() is None)
    return children, redis.Redis(unix_socket_path=str(broker.socket)), broker.source


@pytest.mark.parametrize("source", ["system", "bundled"])
def test_it_answers_and_keeps_what_it_was_told(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if source == "bundled":
        monkeypatch.setenv("PATH", "")  # no installed server is found
    for round_ in range(2):
        children, client, used = _start(tmp_path / "broker")
        if source == "system" and not used.startswith("system"):
            children.stop()
            missing("no redis-server or valkey-server is installed")
        assert used.startswith(source)
        assert client.incr("starts") == round_ + 1
        client.close()
        children.stop()


def test_only_its_user_may_reach_it(tmp_path: Path) -> None:
    children, client, _ = _start(tmp_path / "broker")
    client.close()
    broker = local_broker(tmp_path / "broker")
    assert broker.socket.stat().st_mode & 0o077 == 0
    assert (tmp_path / "broker").stat().st_mode & 0o077 == 0
    children.stop()


def test_a_long_data_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    children, client, _ = _start(deep)
    assert client.ping()
    client.close()
    children.stop()
