"""What was removed after its time says so, to programs and to people."""

import httpx
import pytest

from pfa_client import Client, ProblemError
from pfa_store.garbage.ended_jobs import EndedJobs
from pfa_store.garbage.retention import Retention
from pfa_store.job_record import Job
from pfa_store.specs import PredictSpec
from tests.integration.api.service import Service


def ended(service: Service, model: str) -> Job:
    """A prediction job that succeeded, and left a log, a curve and answers."""
    store = service.store
    spec = PredictSpec(task="pose", model=model, videos=["vid_a"], priority=10)  # before what other tests have queued
    added = store.jobs.add("predict", spec)
    job = store.jobs.claim_next(added.queue, "this test")
    assert job is not None
    assert job.id == added.id
    for path in (
        store.files.job_log(job.id),
        store.files.job_metrics(job.id),
        store.files.job_files(job.id, job.token) / "a.jsonl",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"step": 1}\n')
    entry = {"video": "vid_a", "file": "a.mp4", "frames": "a.jsonl"}
    return store.jobs.succeed(job, {"videos": [entry], "joints": ["nose"], "files": ["a.jsonl"]})


def sweep(service: Service, now_s: float) -> None:
    store = service.store
    jobs = EndedJobs(store.sessions, store.files, Retention.of(store.settings))
    for stage in (jobs.events, jobs.folders):
        for _ in stage(now_s, False):
            pass


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_what_was_removed_answers_410_and_says_why(service: Service, client: Client, name: str) -> None:
    job = ended(service, name)
    paths = [f"/jobs/{job.id}/{what}" for what in ("logs", "metrics", "files", "files/a.jsonl")]
    with service.http() as http:
        assert [http.get(path).status_code for path in paths] == [200] * 4
        assert job.finished_s is not None
        sweep(service, job.finished_s + 1000 * 86400)
        for path in (*paths, f"/jobs/{job.id}/predictions"):
            answer = http.get(path)
            assert code_of(answer) == (410, "removed"), path
            assert "PFA_KEEP_" in answer.json()["detail"]
        assert http.get(f"/jobs/{job.id}/checkpoints").json()["items"] == []
        told = http.get(f"/jobs/{job.id}").json()
        assert set(told["removed"]) == {"history", "files"}
        (event,) = http.get(f"/jobs/{job.id}/events").json()["items"]
        assert (event["kind"], event["data"]) == ("history_removed", {"num_events": 3})
        stream = http.get(f"/jobs/{job.id}/events", headers={"Accept": "text/event-stream"})
        assert "event: history_removed" in stream.text
        assert "event: done" in stream.text
        assert http.get(f"/jobs/{job.id}/files/b.csv").status_code == 410
    assert set(client.job(job.id).removed) == {"history", "files"}
    with pytest.raises(ProblemError, match="were removed on"):
        client.job_file(job.id, "a.jsonl")


def test_the_metrics_count_what_went(service: Service) -> None:
    with service.http() as http:
        before = http.get("/metrics").text
        assert 'pfa_removed_bytes_total{kind="packs"} 0.0' in before
    chores = service.store.chores
    assert chores.begin("gc", "this test", due=False)
    assert chores.end("gc", "this test", next_s=2e9, tally={"pieces": {"temporary": 3}, "bytes": {"temporary": 5000}})
    with service.http() as http:
        after = http.get("/metrics").text
    assert 'pfa_removed_pieces_total{kind="temporary"} 3.0' in after
    assert 'pfa_removed_bytes_total{kind="temporary"} 5000.0' in after
