"""Rates of keys, and the lines that say who did what."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_store.audit import AuditLog
from pfa_store.files import Files
from tests.integration.api.service import Service, running
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Six calls at once, and after that one a minute."""
    with running(tmp_path_factory.mktemp("limited"), PFA_RATE_LIMIT="1", PFA_RATE_BURST="6") as service:
        yield service


def test_a_key_that_calls_too_often_waits_and_others_do_not(limited: Service) -> None:
    _, secret = limited.store.keys.create("busy", ["read"])
    with limited.http(secret) as http:
        answers = [http.get("/videos") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 6 + [429]
        left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
        assert left == ["r=5", "r=4", "r=3", "r=2", "r=1", "r=0", "r=0"]
        refused = answers[-1]
        assert refused.json()["code"] == "rate_limited"
        assert 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.headers["ratelimit-policy"] == '"key";q=6;w=360'
        assert http.get("/metrics").status_code == httpx.codes.OK
        assert http.get("/health/ready").status_code == httpx.codes.OK
        assert "ratelimit" not in http.get("/health/live").headers
    _, other = limited.store.keys.create("calm", ["read"])
    with limited.http(other) as http:
        assert http.get("/videos").status_code == httpx.codes.OK


def test_a_call_without_a_scope_counts_too(limited: Service) -> None:
    _, secret = limited.store.keys.create("guesser", ["predict"])
    with limited.http(secret) as http:
        assert [http.get("/videos").status_code for _ in range(7)] == [403] * 6 + [429]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_changes_and_refusals_are_noted_and_looking_is_not(service: Service, name: str) -> None:
    audit = service.store.files.root / "audit" / "audit.jsonl"
    key, secret = service.store.keys.create(name, ["jobs"])
    with service.http(secret) as http:
        model = service.publish(f"m-{name}", "appearance")
        made = http.post("/collections", json={"name": name, "model": model.ref})
        assert made.is_success
        assert http.get("/videos").status_code == httpx.codes.FORBIDDEN
        assert http.post("/jobs/job_none/cancel").status_code == httpx.codes.NOT_FOUND
        assert http.post("/videos?secret=1", headers={"Content-Type": "text/plain"}).status_code == 415
    with service.http("pfa_wrong") as http:
        assert http.get("/videos").status_code == httpx.codes.UNAUTHORIZED
    with service.http() as http:
        assert http.get(f"/collections/{name}").is_success
    noted = wait_for(lambda: _after(lines(audit), key.id), what="the lines")
    told = [(line["key"], line["method"], line["route"], line["status"], line["ids"]) for line in noted]
    assert told == [
        (key.id, "POST", "/collections", 201, {}),
        (key.id, "GET", "/videos", 403, {}),
        (key.id, "POST", "/jobs/{job_id}/cancel", 404, {"job_id": "job_none"}),
        (key.id, "POST", "/videos", 415, {}),
        (None, "GET", "/videos", 401, {}),
    ]
    assert noted[0]["made"] == f"/collections/{name}"
    assert noted[0]["from"] == "127.0.0.1"
    text = audit.read_text()
    assert secret not in text
    assert "secret" not in text
    assert "pfa_wrong" not in text
    assert audit.stat().st_mode & 0o777 == 0o600


def _after(noted: list[dict[str, Any]], key_id: str) -> list[dict[str, Any]] | None:
    """The lines from the key's first on, once there are five."""
    first = next((number for number, line in enumerate(noted) if line["key"] == key_id), len(noted))
    return noted[first:] if len(noted) - first >= 5 else None


def test_full_files_are_set_aside_and_no_line_is_lost_or_torn(tmp_path: Path) -> None:
    logs = [AuditLog(Files(tmp_path), max_bytes=2000, kept=50) for _ in range(2)]

    def write(number: int) -> None:
        for count in range(100):
            logs[number % 2].write({"n": number * 100 + count}, at_s=0.0)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files = sorted((tmp_path / "audit").glob("audit*.jsonl"))
    assert len(files) > 5
    assert sorted(line["n"] for file in files for line in lines(file)) == list(range(400))
    assert all(file.stat().st_size < 2500 for file in files)


def test_only_so_many_files_are_kept(tmp_path: Path) -> None:
    log = AuditLog(Files(tmp_path), max_bytes=1, kept=3)
    for count in range(10):
        log.write({"n": count}, at_s=0.0)
    kept = {file.name: lines(file)[0]["n"] for file in (tmp_path / "audit").glob("audit*.jsonl")}
    assert kept == {"audit.1.jsonl": 9, "audit.2.jsonl": 8, "audit.3.jsonl": 7}


def test_a_disk_that_takes_no_line_stops_no_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "audit").write_text("a file where the folder should be")
    AuditLog(Files(tmp_path)).write({"n": 1}, at_s=0.0)
    assert "was not written" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]
