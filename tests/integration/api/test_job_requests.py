"""Pause, resume, retry, priorities, checkpoints, logs and workers, over HTTP and with `pfa jobs`."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from pfa.cli import app
from pfa_client import Client, ProblemError
from pfa_core.progress import Progress
from pfa_store.job_record import Job
from tests.integration.api.service import Service

Upload = Callable[..., list[str]]


@pytest.fixture
def job_id(client: Client, upload: Upload) -> str:
    return client.start_job("flow", videos=upload("one")).id


def claim(service: Service, job_id: str) -> Job:
    job = service.store.jobs.claim(job_id, "a worker")
    assert job is not None
    return job


def pfa_jobs(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["jobs", *arguments, "--url", service.url, "--key", service.key])


def test_pause_and_resume_a_job_that_waits(client: Client, job_id: str) -> None:
    assert client.pause(job_id).status == "paused"
    assert client.pause(job_id).status == "paused"
    assert [job.id for job in client.jobs(status="paused")] == [job_id]
    assert not client.job(job_id).done
    assert client.resume(job_id).status == "queued"
    assert client.cancel(job_id).status == "cancelled"


def test_pause_a_job_that_runs(service: Service, client: Client, job_id: str) -> None:
    held = claim(service, job_id)
    assert client.pause(job_id).status == "pausing"
    with pytest.raises(ProblemError, match="The job is pausing; it cannot be resumed"):
        client.resume(job_id)
    service.store.jobs.finish_pause(held)
    assert client.cancel(job_id).status == "cancelled"


def test_retry_what_failed(service: Service, client: Client, job_id: str) -> None:
    service.store.jobs.fail(claim(service, job_id), "disk_full", "The disk is full.")
    assert client.job(job_id).error == {"code": "disk_full", "message": "The disk is full."}
    job = client.retry(job_id)
    assert (job.id, job.status, job.error, job.attempt, job.finished) == (job_id, "queued", None, 0, None)
    kinds = [event.kind for event in client.job_events(job_id)]
    assert kinds == ["queued", "claimed", "failed", "retried"]
    client.cancel(job_id)
    assert client.retry(job_id).status == "queued"
    client.cancel(job_id)


@pytest.mark.parametrize(
    ("wish", "status", "says"),
    [
        ("pause", "succeeded", "The job has already succeeded; it cannot be paused. A new job can be started instead."),
        ("pause", "cancelling", "The job is cancelling; it cannot be paused. Wait until that is through."),
        ("resume", "queued", "The job is queued; it cannot be resumed."),
        ("resume", "running", "The job is running; it cannot be resumed."),
        ("resume", "failed", "The job has already failed; it cannot be resumed. Try it again with /retry."),
        ("retry", "running", "The job is running; it cannot be tried again."),
        ("retry", "succeeded", "The job has already succeeded; it cannot be tried again."),
    ],
)
def test_what_a_state_does_not_allow_is_a_conflict(
    service: Service, job_id: str, *, wish: str, status: str, says: str
) -> None:
    jobs = service.store.jobs
    if status != "queued":
        held = claim(service, job_id)
        match status:
            case "succeeded":
                jobs.succeed(held, {})
            case "failed":
                jobs.fail(held, "disk_full", "The disk is full.")
            case "cancelling":
                jobs.request_cancel(job_id)
    with service.http() as http:
        answer = http.post(f"/jobs/{job_id}/{wish}")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "job_state_conflict")
    assert problem["detail"].startswith(says)
    assert problem["status"] == 409
    assert jobs.get(job_id).status == status
    if status == "queued":
        jobs.request_cancel(job_id)


@pytest.mark.parametrize("wish", ["pause", "resume", "retry", "cancel"])
def test_a_key_needs_the_scope_and_a_job_must_be_there(service: Service, job_id: str, wish: str) -> None:
    _, reader = service.store.keys.create("reader", ["read"])
    with service.http(reader) as http:
        assert http.post(f"/jobs/{job_id}/{wish}").status_code == httpx.codes.FORBIDDEN
        assert http.get("/workers").status_code == httpx.codes.OK
    with service.http() as http:
        assert http.post(f"/jobs/none/{wish}").json()["code"] == "job_not_found"
    service.store.jobs.request_cancel(job_id)


def test_a_priority_is_kept_and_shown(service: Service, client: Client, upload: Upload) -> None:
    job = client.start_job("flow", videos=upload("one"), priority=-3)
    assert (job.priority, client.job(job.id).priority, job.spec["priority"]) == (-3, -3, -3)
    assert service.store.jobs.get(job.id).priority == -3
    client.cancel(job.id)
    for priority in (11, -11, "high", 1.5):
        with pytest.raises(ProblemError, match="priority") as refused:
            client.start_job("flow", videos=upload("one"), priority=priority)
        assert refused.value.status == 422


def test_checkpoints_are_listed_by_step(service: Service, client: Client, job_id: str) -> None:
    assert client.job_checkpoints(job_id) == []
    folder = service.store.files.job_checkpoints(job_id)
    folder.mkdir(parents=True)
    for name, num_bytes in (("step-00000040", 30), ("step-00000100", 31), ("best-00000080", 20)):
        (folder / f"{name}.safetensors").write_bytes(b"x" * num_bytes)
        (folder / f"{name}.json").write_bytes(b"{}")
    (folder / "step-00000120.safetensors").write_bytes(b"half written: its record is missing")
    found = client.job_checkpoints(job_id)
    assert [(one.step, one.best, one.num_bytes) for one in found] == [(40, False, 32), (80, True, 22), (100, False, 33)]
    assert all(one.saved.endswith("Z") for one in found)
    client.cancel(job_id)


def test_the_last_lines_of_a_log(service: Service, client: Client, job_id: str) -> None:
    log = service.store.files.job_log(job_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.with_name("log.1.txt").write_text("one\ntwo\n")
    log.write_text("three\nfour\n")
    assert client.job_log(job_id) == "one\ntwo\nthree\nfour\n"
    assert client.job_log(job_id, tail=1) == "four\n"
    assert client.job_log(job_id, tail=3) == "two\nthree\nfour\n"
    with service.http() as http:
        for tail in ("0", "-1", "10001", "all"):
            assert http.get(f"/jobs/{job_id}/logs", params={"tail": tail}).status_code == 422
    client.cancel(job_id)


def test_workers_are_listed_and_counted(service: Service, client: Client, job_id: str) -> None:
    assert client.workers() == []
    worker = service.store.workers.enter("flow", host="here", pid=7, version="1.2")
    claim(service, job_id)
    service.store.workers.does(worker.id, job_id)
    (shown,) = client.workers()
    assert (shown.id, shown.host, shown.pid, shown.queue, shown.version) == (worker.id, "here", 7, "flow", "1.2")
    assert (shown.status, shown.job_id) == ("busy", job_id)
    assert httpx.get(f"{service.url}/health/ready").json()["workers"] == {"flow": 1, "train": 0}
    with service.http() as http:
        text = http.get("/metrics").text
    assert 'pfa_workers{queue="flow",status="busy"} 1.0' in text
    service.store.workers.leave(worker)
    assert httpx.get(f"{service.url}/health/ready").json()["workers"] == {"flow": 0, "train": 0}


def test_the_command_does_what_the_calls_do(service: Service, client: Client, job_id: str) -> None:
    for wish, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("retry", "queued")):
        done = pfa_jobs(service, wish, job_id)
        assert (done.exit_code, done.stdout) == (0, f"{job_id} is {status}\n")
    held = claim(service, job_id)
    service.store.jobs.progress(held, Progress(phase="flow", step=3, total=7), eta_s=7300.0)
    listed = pfa_jobs(service, "list", "--status", "running", "--json")
    assert job_id in [job["id"] for job in json.loads(listed.stdout)]
    table = pfa_jobs(service, "list", "--limit", "5")
    assert table.exit_code == 0
    assert "running" in table.stdout
    shown = json.loads(pfa_jobs(service, "show", job_id, "--json").stdout)
    assert (shown["progress"]["step"], shown["checkpoints"]) == (3, [])
    log = service.store.files.job_log(job_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("one\ntwo\n")
    assert pfa_jobs(service, "logs", job_id).stdout == "one\ntwo\n"
    assert pfa_jobs(service, "logs", job_id, "--tail", "1").stdout == "two\n"
    told = pfa_jobs(service, "events", job_id).stdout.splitlines()
    assert [line.split()[1] for line in told] == [event.kind for event in client.job_events(job_id)]
    assert "step=3 total=7" in told[-1]
    service.store.jobs.succeed(held, {})


def test_the_command_says_what_is_wrong(service: Service, job_id: str, tmp_path: Path) -> None:
    refused = pfa_jobs(service, "resume", job_id)
    assert refused.exit_code == 1
    assert "it cannot be resumed" in refused.stderr
    nobody = CliRunner().invoke(app, ["jobs", "show", "none", "--url", service.url])
    assert nobody.exit_code == 1
    assert "needs a key" in nobody.stderr
    service.store.jobs.request_cancel(job_id)
