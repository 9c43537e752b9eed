"""Workers and API under which a newer version migrates the database."""

from pathlib import Path

import httpx

from pfa_store.store import Store
from tests.integration.api.service import running
from tests.integration.store.test_newer_database import NEWER, migrated_by_a_newer_version
from tests.integration.workers.service import Service
from tests.integration.workers.training import trained_steps, training
from tests.waiting import wait_for


def test_workers_hand_their_jobs_back_and_leave(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=100_000)
    store.queue.ring(job)
    trained_steps(store, job, at_least=2)
    migrated_by_a_newer_version(store)
    wait_for(lambda: not service.processes(), what="the end of every process", timeout_s=120)
    now = store.jobs.get(job.id)
    assert (now.status, now.attempt, now.worker) == ("queued", 0, None)
    assert list(store.files.job_checkpoints(job.id).glob("step-*.json"))
    assert store.workers.list() == ()


def test_the_api_is_not_ready_and_says_why(tmp_path: Path) -> None:
    with running(tmp_path / "data") as api:
        migrated_by_a_newer_version(api.store)
        answer = httpx.get(f"{api.url}/health/ready")
        assert (answer.status_code, answer.json()["status"]) == (503, "unready")
        assert NEWER in answer.json()["reason"]
