"""Requests have ids, which answers, jobs and log lines tell; log lines are JSON where that is set."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.service import Output, environment_for
from tests.waiting import wait_for


@dataclass(frozen=True, slots=True)
class Told:
    """A service that logs JSON."""

    url: str
    key: str
    output: Output

    def lines(self) -> list[dict[str, Any]]:
        """What it logged so far."""
        return [json.loads(line) for line in list(self.output.lines) if line.startswith("{")]

    def line_of(self, request_id: str, logger: str = "api.request_log") -> dict[str, Any]:
        """The line about a request, which is written once its answer is through."""

        def found() -> dict[str, Any] | None:
            wanted = (line for line in self.lines() if line["logger"] == logger)
            return next((line for line in wanted if line.get("request_id") == request_id), None)

        return wait_for(found, timeout_s=10, what=f"the line about {request_id}")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    data_dir = tmp_path_factory.mktemp("logs")
    process = subprocess.Popen(
        [sys.executable, "-m", "api.serve"],
        env=environment_for(data_dir, PFA_LOG_FORMAT="json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = Output(process)
    try:
        url = output.wait_for(r"running on (http://[^\s\"]+)")
        yield Told(url, (data_dir / "admin.key").read_text().strip(), output)
    finally:
        process.terminate()
        process.wait(30)
        output.close()
    plain = [line for line in output.lines if not line.startswith("{")]
    assert len(plain) == 2, "the admin key is for people, everything else for programs"


def test_an_id_that_can_be_used_comes_back_and_another_is_made(told: Told) -> None:
    mine = httpx.get(f"{told.url}/videos", headers={"X-Request-ID": "abc-123", "X-API-Key": told.key})
    assert mine.headers["X-Request-ID"] == "abc-123"
    for bad in ("", "a b", "x" * 129, "<script>", "-first"):
        answer = httpx.get(f"{told.url}/health/live", headers={"X-Request-ID": bad})
        assert re.fullmatch("req_[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_a_refused_request_has_one_too(told: Told) -> None:
    for path, status in (("/videos", 401), ("/nothing", 404)):
        answer = httpx.get(f"{told.url}{path}", headers={"X-Request-ID": f"refused{status}"})
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (status, f"refused{status}")
    assert told.line_of("refused401")["status"] == 401
    assert told.line_of("refused404")["route"] is None, "a path that is none of ours is not told"


def test_the_line_about_a_request_names_route_status_duration_and_key(told: Told) -> None:
    url = f"{told.url}/jobs/job_none?cursor=secret"
    answer = httpx.get(url, headers={"X-API-Key": told.key, "X-Request-ID": "line"})
    line = told.line_of("line")
    assert (line["method"], line["route"], line["status"]) == ("GET", "/jobs/{job_id}", answer.status_code)
    assert (line["level"], line["role"], line["client"]) == ("info", "api", "127.0.0.1")
    assert line["key_id"].startswith("key_")
    assert 0 < line["duration_s"] < 60
    written = "".join(told.output.lines)
    assert "secret" not in written
    assert written.count(told.key) == 1, "shown once, at the first start"


def test_what_watches_the_service_fills_no_log(told: Told) -> None:
    httpx.get(f"{told.url}/health/live", headers={"X-Request-ID": "watching"})
    httpx.get(f"{told.url}/videos", headers={"X-Request-ID": "after"})
    told.line_of("after")
    assert not [line for line in told.lines() if line.get("request_id") == "watching"]


def test_a_job_and_the_line_that_makes_it_name_the_request(told: Told, clips: dict[str, Path]) -> None:
    with httpx.Client(base_url=told.url, headers={"X-API-Key": told.key, "X-Request-ID": "order-7"}) as http:
        with clips["one"].open("rb") as clip:
            made = http.post("/jobs/flow", files={"files": ("a.mp4", clip)}, timeout=60)
        assert made.status_code == 202, made.text
        first = http.get(f"{made.headers['Location']}/events").json()["items"][0]
    assert (first["kind"], first["data"]) == ("queued", {"request_id": "order-7"})
    assert told.line_of("order-7", "api.desk")["job_id"] == made.json()["id"]
