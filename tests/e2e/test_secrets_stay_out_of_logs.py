"""No log, event or audit line has a key in it, whatever was sent."""

import io
import json
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import UpProcess, start_up
from tests.integration.clips import moving_clip
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

WRONG = "pfa_thisIsNoKeyButLooksLikeOneThatSomebodyTypedWrong"


def use(up: UpProcess) -> str:
    """Run a job, and call with keys that are none; the job's id."""
    with up.http() as http:
        clip = io.BytesIO(moving_clip(num_frames=20))
        accepted = http.post(
            "/jobs/flow",
            files={"files": ("a.mp4", clip)},
            data={"config": '{"config": {"short_side_px": 64}}'},
            headers={"X-Request-ID": "order-1"},
        )
        assert accepted.status_code == httpx.codes.ACCEPTED, accepted.text
        location = accepted.headers["Location"]
        job = wait_for(
            lambda: job if (job := http.get(location).json())["done"] else None, timeout_s=120, what="the flow job"
        )
        assert job["status"] == "succeeded", job
        for headers in ({"Authorization": f"Bearer {WRONG}"}, {"X-API-Key": WRONG}):
            assert httpx.get(f"{up.url}/jobs", headers=headers).status_code == httpx.codes.UNAUTHORIZED
        http.get("/jobs", params={"key": WRONG})
        return str(job["id"])


def look_for_keys(up: UpProcess) -> None:
    """No file has one but the administrator's own, and the terminal shows it once."""
    with_it = [path for path in up.data_dir.rglob("*") if path.is_file() and up.admin_key.encode() in path.read_bytes()]
    assert [path.name for path in with_it] == ["admin.key"]
    assert not [path for path in up.data_dir.rglob("*") if path.is_file() and WRONG.encode() in path.read_bytes()]
    said = up.log.read_text()
    assert said.count(up.admin_key) == 1, "the first start shows it once"
    assert WRONG not in said


def test_keys_are_in_no_file_but_the_admin_s(up: UpProcess) -> None:
    use(up)
    look_for_keys(up)


def test_logs_of_every_process_are_json_where_that_is_set(tmp_path: Path) -> None:
    up = start_up(tmp_path, PFA_LOG_FORMAT="json", PFA_LOG_LEVEL="debug")
    try:
        job_id = use(up)
        look_for_keys(up)
    finally:
        assert up.stop() == 0, up.log.read_text()
    look_for_keys(up)
    logs = {path.name: path.read_text() for path in (up.data_dir / "logs").iterdir()}
    logs["job"] = (up.data_dir / "jobs" / job_id / "log.txt").read_text()
    lines = [json.loads(line) for text in logs.values() for line in text.splitlines()]
    roles = {line["role"] for line in lines}
    assert roles == {"api", "dispatcher", "worker-flow", "worker-train", "runner"}
    of_job = {line["role"] for line in lines if line.get("job_id") == job_id and line.get("request_id") == "order-1"}
    assert of_job >= {"api", "runner"}, "the request that made the job is found from its runner's lines"
    runner = [line for line in lines if line["role"] == "runner"]
    assert all((line["attempt"], line["token"]) == (1, 1) for line in runner)
    accessed = [line for line in lines if line["logger"] == "api.request_log"]
    assert {"POST /jobs/flow 202", "GET /jobs 401"} <= {line["message"] for line in accessed}
