"""`pfa up`: one command, and nothing left behind however it ends."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import start_up
from tests.processes import alive, command_of
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_can_start_again(signum: signal.Signals, tmp_path: Path) -> None:
    for _ in range(2):
        running = start_up(tmp_path)
        with running.http() as http:
            assert http.get("/jobs").status_code == httpx.codes.OK  # the first start's key is still good
        assert len(running.processes()) >= 5  # itself, broker, API, two workers
        assert running.stop(signum) == 0, running.log.read_text()
        wait_for(lambda: not running.processes(), timeout_s=30, what="every process to end")  # noqa: B023


def test_killed_outright_it_leaves_no_process(tmp_path: Path) -> None:
    running = start_up(tmp_path)
    running.process.kill()
    running.process.wait()
    wait_for(lambda: not running.processes(), timeout_s=60, what="every process to end")


def test_a_process_that_dies_comes_back(tmp_path: Path) -> None:
    running = start_up(tmp_path)
    api = next(pid for pid in running.processes() if b"api.serve" in command_of(pid))

    os.kill(api, signal.SIGKILL)

    def back() -> bool:
        try:
            return httpx.get(f"{running.url}/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    wait_for(lambda: not alive(api), what="the API to die")
    wait_for(back, timeout_s=60, what="the API to come back")
    assert running.stop() == 0


def test_two_services_on_one_data_folder_are_refused(tmp_path: Path) -> None:
    running = start_up(tmp_path)
    try:
        with pytest.raises(AssertionError, match="already runs"):
            start_up(tmp_path)
    finally:
        assert running.stop() == 0


def test_several_api_processes_come_and_go_with_it(tmp_path: Path) -> None:
    running = start_up(tmp_path, PFA_API_PROCESSES="2")
    commands = [command_of(pid).split(b"\0") for pid in running.processes()]
    assert sum(b"--channel" in command for command in commands) == 2
    with running.http() as http:
        assert http.get("/jobs").status_code == httpx.codes.OK
    assert running.stop() == 0, running.log.read_text()
    wait_for(lambda: not running.processes(), timeout_s=30, what="every process to end")
