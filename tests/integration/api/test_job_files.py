"""What jobs leave for their users, and the model card that tells of evaluations."""

import hashlib
import json
from typing import Any

import httpx
import pytest

from pfa_client import Client
from pfa_store.job_record import Job
from tests.integration.api.service import LABELS, Service

CSV = b"metric,part\r\naccuracy,all\r\n"
ACTION: dict[str, Any] = {
    "task": "action",
    "num_clips": 4,
    "accuracy": 0.75,
    "mean_class_accuracy": 0.5,
    "per_class": [{"label": label, "num_clips": 1, "accuracy": 1.0} for label in LABELS],
    "intervals": {"accuracy": [0.25, 1.0]},
}


def begun(service: Service, model: str) -> Job:
    """An evaluation job whose attempt this test is."""
    added = service.store.jobs.add("evaluate", {"dataset": "clips", "model": model})
    job = service.store.jobs.claim(added.id, "this test")
    assert job is not None
    return job


def leave(service: Service, job: Job, name: str, content: bytes) -> None:
    files = service.store.files
    files.write_atomic(files.job_files(job.id, job.token) / name, content)


def result(model: str) -> dict[str, Any]:
    return {"model": model, "dataset": {"id": "ds", "name": "clips"}, "split": "test", "metrics": ACTION}


def test_files_are_listed_and_fetched_once_the_job_has_succeeded(service: Service, client: Client, name: str) -> None:
    job = begun(service, name)
    leave(service, job, "evaluation.csv", CSV)
    leave(service, job, "evaluation.json", b"{}")
    leave(service, job, "pdj.png", b"a picture")
    assert client.job_files(job.id) == []
    service.store.jobs.succeed(job, result(name))
    assert [(file.name, file.media_type, file.num_bytes) for file in client.job_files(job.id)] == [
        ("evaluation.csv", "text/csv; charset=utf-8", len(CSV)),
        ("evaluation.json", "application/json", 2),
        ("pdj.png", "image/png", 9),
    ]
    assert client.job_file(job.id, "evaluation.csv") == CSV
    with service.http() as http:
        answer = http.get(f"/jobs/{job.id}/files/pdj.png")
    assert (answer.headers["content-type"], answer.content) == ("image/png", b"a picture")


def test_what_a_lost_attempt_left_is_never_shown(service: Service, client: Client, name: str) -> None:
    store = service.store
    lost = begun(service, name)
    leave(service, lost, "evaluation.csv", b"of the lost one")
    leave(service, lost, "only-there.csv", b"of the lost one")
    store.jobs.hand_back(lost, "its process died")
    job = store.jobs.claim(lost.id, "this test again")
    assert job is not None
    leave(service, job, "evaluation.csv", CSV)
    store.jobs.succeed(job, result(name))
    leave(service, lost, "late.csv", b"of a zombie")
    assert [file.name for file in client.job_files(job.id)] == ["evaluation.csv"]
    assert client.job_file(job.id, "evaluation.csv") == CSV


@pytest.mark.parametrize(
    "path", ["nothing.csv", "..%2Foutcome.json", "%2e%2e%2foutcome.json", "..%2F..%2F..%2F..%2Fadmin.key", "link.csv"]
)
def test_only_files_of_the_job_are_served(service: Service, name: str, path: str) -> None:
    job = begun(service, name)
    leave(service, job, "evaluation.csv", CSV)
    files = service.store.files
    (files.job(job.id) / "outcome.json").write_text("{}")
    (files.job_files(job.id, job.token) / "link.csv").symlink_to(files.admin_key)
    service.store.jobs.succeed(job, result(name))
    with service.http() as http:
        answer = http.get(f"/jobs/{job.id}/files/{path}")
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_job_that_failed_or_is_not_there_has_no_files(service: Service, client: Client, name: str) -> None:
    job = begun(service, name)
    leave(service, job, "evaluation.csv", CSV)
    service.store.jobs.fail(job, "internal", "It broke.")
    assert client.job_files(job.id) == []
    with service.http() as http:
        gone = http.get(f"/jobs/{job.id}/files/evaluation.csv")
        unknown = http.get("/jobs/job_none/files")
    assert (gone.status_code, gone.json()["code"]) == (404, "job_file_not_found")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "job_not_found")


def test_files_need_a_key(service: Service) -> None:
    with service.http(key=None) as http:
        for path in ("/jobs/job_x/files", "/jobs/job_x/files/a.csv", "/models/x/versions/1/card.md"):
            assert http.get(path).status_code == httpx.codes.UNAUTHORIZED


def test_the_card_tells_of_evaluations_and_the_sealed_files_stay(service: Service, client: Client, name: str) -> None:
    service.publish(name, "action", seed=1)
    service.publish(name, "action", seed=2)
    with service.http() as http:
        sealed = http.get(f"/models/{name}/versions/1/files/README.md").text
        assert client.model_card(name, 1) == sealed
        job = begun(service, f"{name}@1")
        service.store.jobs.succeed(job, result(f"{name}@1"))
        failed = begun(service, f"{name}@1")
        service.store.jobs.fail(failed, "internal", "It broke.")
        card = client.model_card(name, 1)
        manifest = json.loads(http.get(f"/models/{name}/versions/1/files/manifest.json").content)
        after = http.get(f"/models/{name}/versions/1/files/README.md").content
        answer = http.get(f"/models/{name}/versions/1/card.md")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert card.startswith(sealed)
    assert "## Evaluation" in card
    assert "### clips, split test, " in card
    assert "| top-1 accuracy | 75.0 (25.0 to 100.0) |" in card
    assert job.id in card
    assert failed.id not in card
    assert hashlib.sha256(after).hexdigest() == manifest["files"]["README.md"]
    assert "## Evaluation" not in client.model_card(name, 2)
