"""Several API processes on one port, as `PFA_API_PROCESSES=2` starts them."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.api import media
from tests.integration.api.service import Service, running
from tests.processes import alive, children_of
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("pair"), PFA_API_PROCESSES="2") as service:
        yield service


def sample(service: Service, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    with service.http() as http:
        text = http.get("/metrics").text
    return sum(
        found.value
        for family in text_string_to_metric_families(text)
        for found in family.samples
        if found.name == name and labels.items() <= found.labels.items()
    )


def processes_of(connections: int, service: Service) -> list[int]:
    """How many of so many connections, all open at once, each process has."""
    address = (httpx.URL(service.url).host, httpx.URL(service.url).port or 80)
    sockets = [socket.create_connection(address, timeout=60) for _ in range(connections)]
    for each in sockets:
        each.sendall(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
    for each in sockets:
        assert b"200" in each.recv(4096)
    ports = {each.getsockname()[1] for each in sockets}
    counts = [len(ports & peers_of(pid)) for pid in children_of(service.pid)]
    for each in sockets:
        each.close()
    return counts


def peers_of(pid: int) -> set[int]:
    """The remote ports of a process's TCP connections."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].split(":")[1], 16) for row in rows if row[9] in inodes}


def test_connections_are_shared_evenly(pair: Service) -> None:
    assert processes_of(8, pair) == [4, 4]


def test_all_count_as_one_service(pair: Service) -> None:
    before = sample(pair, "pfa_requests_total", route="/health/live")
    for _ in range(6):
        httpx.get(f"{pair.url}/health/live")  # a connection each, so that both processes answer some
    assert sample(pair, "pfa_requests_total", route="/health/live") == before + 6
    assert sample(pair, "pfa_api_processes") == 2


def test_a_killed_process_is_replaced_and_counters_go_on(pair: Service) -> None:
    before = children_of(pair.pid)
    counted = sample(pair, "pfa_requests_total", route="/health/live")
    os.kill(before[0], signal.SIGKILL)

    def answered() -> bool:
        """Whoever is left answers at once; a connection that the dead one held may break."""
        try:
            return httpx.get(f"{pair.url}/health/live", timeout=60).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    wait_for(answered, what="an answer from the other process")
    wait_for(lambda: len(set(children_of(pair.pid)) - {before[0]}) == 2, what="a second process")
    assert sample(pair, "pfa_requests_total", route="/health/live") > counted
    wait_for(lambda: processes_of(2, pair) == [1, 1], what="the new process to take its share")
    assert sample(pair, "pfa_api_processes") == 2


def test_every_process_notices_a_moved_alias(pair: Service, name: str) -> None:
    pair.publish(name, "pose", seed=1)
    pair.publish(name, "pose", seed=2)
    pair.store.models.set_alias(name, "production", 1)
    picture = media.encoded(media.picture(seed=1))
    with pair.http() as one, pair.http() as other:  # a connection each, so a process each

        def answers() -> list[str]:
            sent = [
                http.post("/predict/pose", params={"model": f"{name}@production"}, files={"file": picture})
                for http in (one, other)
            ]
            assert [answer.status_code for answer in sent] == [httpx.codes.OK] * 2
            return [answer.json()["model"] for answer in sent]

        assert answers() == [f"{name}@1"] * 2
        assert one.put(f"/models/{name}/aliases/production", json={"version": 2}).status_code == httpx.codes.OK
        wait_for(lambda: answers() == [f"{name}@2"] * 2, what="both processes to answer with version 2")


def test_a_process_that_nobody_asks_follows_an_alias(pair: Service, name: str) -> None:
    pair.publish(name, "pose", seed=1)
    pair.publish(name, "pose", seed=2)
    pair.store.models.set_alias(name, "production", 1)
    with pair.http() as http:
        asked = http.post(
            "/predict/pose", params={"model": f"{name}@production"}, files={"file": media.encoded(media.picture())}
        )
        assert asked.json()["model"] == f"{name}@1"
    loaded = sample(pair, "pfa_model_loads_total", outcome="loaded")
    pair.store.models.set_alias(name, "production", 2)
    wait_for(lambda: sample(pair, "pfa_model_loads_total", outcome="loaded") > loaded, what="the new version to load")


def test_it_stops_in_order(tmp_path: Path) -> None:
    with running(tmp_path, PFA_API_PROCESSES="2") as service:
        started = children_of(service.pid)
        assert len(started) == 2
    assert not any(alive(pid) for pid in started)
    assert not list((tmp_path / "tmp").glob("metrics-*"))


def test_killed_outright_it_leaves_no_process(tmp_path: Path) -> None:
    with running(tmp_path, PFA_API_PROCESSES="2") as service:
        started = children_of(service.pid)
        os.kill(service.pid, signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in started), what="the processes to end")


def test_a_port_that_is_taken_is_said_in_a_line(pair: Service, tmp_path: Path) -> None:
    port = str(httpx.URL(pair.url).port)
    with (
        pytest.raises(AssertionError, match="cannot listen on"),
        running(tmp_path, PFA_API_PROCESSES="2", PFA_PORT=port),
    ):
        pass
