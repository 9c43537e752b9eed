"""Videos that are sent to a prediction: a problem that says where to, or with `Prefer: respond-async` a job."""

import io
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api import media
from tests.integration.api.service import Service

LATER = {"Prefer": "respond-async"}


@pytest.fixture(scope="module", autouse=True)
def models(service: Service) -> None:
    service.publish("later-poser", "pose")
    service.publish("later-actor", "action")


def send(service: Service, path: str, clip: Path, *, key: str = "", **request: Any) -> httpx.Response:
    with service.http(key) as http:
        params = {"model": "later-poser" if path == "/predict/pose" else "later-actor", **request.pop("params", {})}
        if request.pop("form", True):
            return http.post(path, params=params, files={"file": ("walk.mp4", clip.read_bytes())}, **request)
        return http.post(path, params=params, content=clip.read_bytes(), **request)


def forget(service: Service, job: Any) -> None:
    """Others of this service's tests delete the videos that the job's data set holds."""
    service.store.jobs.request_cancel(job["id"])
    service.store.datasets.delete(job["spec"]["dataset"])


@pytest.mark.parametrize("form", [True, False])
def test_a_video_is_no_image(service: Service, clips: dict[str, Path], form: bool) -> None:
    headers = {} if form else {"Content-Type": "video/mp4"}
    answer = send(service, "/predict/pose", clips["one"], form=form, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "media_unsupported")
    assert "POST /jobs/predict" in answer.json()["detail"]


def test_what_is_larger_than_any_image_is_told_where_videos_go(service: Service, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(2**20))
    answer = send(service, "/predict/pose", large)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert "POST /jobs/predict" in answer.json()["detail"]


def test_a_clip_too_long_to_be_answered_at_once_is_told_so(service: Service, clips: dict[str, Path]) -> None:
    answer = send(service, "/predict/action", clips["long"])
    assert (answer.status_code, answer.json()["code"]) == (413, "video_too_large")
    assert "Prefer: respond-async" in answer.json()["detail"]


@pytest.mark.parametrize("form", [True, False])
@pytest.mark.parametrize(
    ("path", "params", "task", "config"),
    [
        ("/predict/pose", {}, "pose", {"boxes": [], "detect": "off"}),
        ("/predict/pose", {"box": "1,2,30,40"}, "pose", {"boxes": [[1, 2, 30, 40]], "detect": "off"}),
        ("/predict/pose", {"detect": "hog"}, "pose", {"boxes": [], "detect": "hog"}),
        ("/predict/action", {"top": 2, "protocol": "fast"}, "action", {"top": 2, "protocol": "fast"}),
    ],
)
def test_a_video_becomes_a_job_where_that_is_preferred(
    service: Service, clips: dict[str, Path], *, form: bool, path: str, params: Any, task: str, config: Any
) -> None:
    headers = {"Prefer": "wait=5, Respond-Async; x=1"} | ({} if form else {"Content-Type": "video/mp4"})
    answer = send(service, path, clips["long"], form=form, params=params, headers=headers)
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    job = answer.json()
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert (job["kind"], job["status"], job["spec"]["task"]) == ("predict", "queued", task)
    assert job["spec"]["config"] == config
    assert job["spec"]["model"] == f"later-{'poser' if task == 'pose' else 'actor'}@1"
    dataset = service.store.datasets.get(job["spec"]["dataset"])
    (item,) = service.store.datasets.items(dataset.id)
    assert item.video_id is not None
    with service.http() as http:
        waiting = http.get(f"/jobs/{job['id']}/predictions")
        assert (waiting.status_code, waiting.json()["code"]) == (409, "job_state_conflict")
    forget(service, job)


def test_the_same_request_again_is_the_same_job(service: Service, clips: dict[str, Path], name: str) -> None:
    headers = {**LATER, "Idempotency-Key": name}
    first = send(service, "/predict/pose", clips["two"], headers=headers)
    again = send(service, "/predict/pose", clips["two"], headers=headers)
    other = send(service, "/predict/pose", clips["three"], headers=headers)
    assert first.json()["id"] == again.json()["id"]
    forget(service, first.json())
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_a_job_needs_the_scope_for_jobs(service: Service, clips: dict[str, Path]) -> None:
    _, secret = service.store.keys.create("predicts only", ["predict"])
    answer = send(service, "/predict/pose", clips["one"], key=secret, headers=LATER)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "jobs" in answer.json()["detail"]


def test_images_and_short_clips_without_the_wish_are_answered_at_once(
    service: Service, clips: dict[str, Path], tmp_path: Path
) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(media.encoded(media.picture()))
    for path in ("/predict/pose", "/predict/action"):
        answer = send(service, path, image, headers=LATER)
        assert answer.status_code == httpx.codes.OK
        assert "Preference-Applied" not in answer.headers
    answer = send(service, "/predict/action", clips["one"], params={"top": 2, "protocol": "fast"})
    assert len(answer.json()["labels"]) == 2
    assert answer.json()["num_frames"] == 3


def test_what_is_damaged_makes_no_job(service: Service, clips: dict[str, Path]) -> None:
    answer = send(service, "/predict/pose", clips["cut"], headers=LATER)
    assert (answer.status_code, answer.json()["code"]) == (422, "video_unreadable")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"task": "pose", "model": "later-actor"}, 422, "model_unsuitable"),
        ({"task": "action", "model": "later-poser"}, 422, "model_unsuitable"),
        ({"task": "pose", "model": "nowhere"}, 404, "model_not_found"),
        ({"task": "pose", "model": "later-poser", "config": {"frames": 3}}, 422, "config_invalid"),
        ({"task": "pose", "model": "later-poser", "config": {"frame_step": 0}}, 422, "config_invalid"),
        ({"task": "action", "model": "later-actor", "config": {"detect": "hog"}}, 422, "config_invalid"),
        ({"task": "features", "model": "later-actor"}, 422, "request_invalid"),
    ],
)
def test_impossible_jobs_are_refused(
    service: Service, clips: dict[str, Path], *, body: Any, status: int, code: str
) -> None:
    video, _ = service.store.videos.add(io.BytesIO(clips["one"].read_bytes()), filename="one.mp4")
    with service.http() as http:
        answer = http.post("/jobs/predict", json={"videos": [video.id], **body})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        flow = http.post("/jobs/flow", json={"videos": [video.id]}).json()["id"]
        assert http.get(f"/jobs/{flow}/predictions").json()["code"] == "job_file_not_found"
        http.post(f"/jobs/{flow}/cancel")
