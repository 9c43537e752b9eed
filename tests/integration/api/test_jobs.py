"""Jobs: what is accepted, what is refused before it is accepted, and how a job is followed."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_client import Client, ProblemError
from pfa_core.config.net import Norm
from pfa_core.progress import Progress
from tests.integration.api import media
from tests.integration.api.service import Service
from tests.waiting import wait_for

Upload = Callable[..., list[str]]


def refusal(service: Service, path: str, body: object) -> tuple[int, str, str]:
    with service.http() as http:
        answer = http.post(path, json=body)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"], answer.json()["detail"]


@pytest.fixture(scope="session")
def labelled(client: Client, clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set of two clips with two labels."""
    folder = tmp_path_factory.mktemp("labels")
    (folder / "labels.csv").write_text("file,label,split\none.mp4,walk,train\ntwo.mp4,run,train\nthree.mp4,run,test\n")
    paths = [clips["one"], clips["two"], clips["three"]]
    return client.create_dataset("labelled", files=paths, annotations=folder / "labels.csv").name


@pytest.fixture(scope="session")
def posed(client: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set of one image with one joint."""
    folder = tmp_path_factory.mktemp("posed")
    (folder / "a.png").write_bytes(media.encoded(media.picture(seed=42)))
    pose = {"joint_names": ["nose"], "annotations": [{"image": "a.png", "joints": {"nose": [9, 9, 2]}}]}
    (folder / "pose.json").write_text(json.dumps(pose))
    return client.create_dataset("posed", files=[folder / "a.png"], annotations=folder / "pose.json").name


def test_a_job_is_accepted_and_can_be_looked_at(service: Service, client: Client, upload: Upload) -> None:
    videos = upload("one", "two")
    with service.http() as http:
        answer = http.post("/jobs/pretrain", json={"videos": videos, "name": "p", "config": {"learn": {"steps": 10}}})
        assert answer.status_code == httpx.codes.ACCEPTED
        job = http.get(answer.headers["location"]).json()
    assert job == answer.json()
    assert (job["kind"], job["status"], job["done"], job["attempt"]) == ("pretrain", "queued", False, 0)
    assert job["spec"]["config"] == {"learn": {"steps": 10}}
    assert client.job(job["id"]).progress.step == 0
    assert job["id"] in [found.id for found in client.jobs(status="queued", kind="pretrain")]
    assert job["id"] not in [found.id for found in client.jobs(kind="flow")]
    assert client.job_log(job["id"]) == ""


def test_files_become_the_data_set_of_the_job(client: Client, clips: dict[str, Path]) -> None:
    job = client.start_job("pretrain", files=[clips["one"], clips["two"], clips["text"]], name="walker")
    dataset = client.dataset(job.spec["dataset"])
    assert (dataset.kind, dataset.num_items) == ("videos", 2)
    assert dataset.name.startswith("walker-")
    (left_out,) = [event.data for event in client.job_events(job.id) if event.kind == "left_out"]
    assert (left_out["file"], left_out["code"]) == ("text.mp4", "video_unsupported")


def test_a_refusal_names_the_files_that_were_sent_in_vain(client: Client, clips: dict[str, Path]) -> None:
    with pytest.raises(ProblemError, match=r"Only 1 of the 2 videos can be used.*text\.mp4: The file is not a video"):
        client.start_job("pretrain", files=[clips["one"], clips["text"]], name="alone")


def test_labels_can_be_sent_along(client: Client, clips: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("file,label\none.mp4,walk\ntwo.mp4,run\n")
    files = [clips["one"], clips["two"]]
    job = client.start_job("finetune", files=files, annotations=tmp_path / "l.csv", name="acts", task="action")
    assert client.dataset(job.spec["dataset"]).labels == ("run", "walk")


def test_a_refused_job_leaves_no_data_set(client: Client, clips: dict[str, Path]) -> None:
    before = {dataset.id for dataset in client.datasets()}
    with pytest.raises(ProblemError) as refused:
        client.start_job("pretrain", files=[clips["one"]], name="alone")
    assert refused.value.code == "no_usable_videos"
    assert {dataset.id for dataset in client.datasets()} == before


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("short",), "5 frames"),
        (("still",), "moves"),
        (("short", "still"), "None of the 2"),
        (("one",), "Only 1 of the 1"),
        (("one", "still", "short"), "Only 1 of the 3"),
    ],
)
def test_pretraining_needs_two_usable_videos(
    service: Service, upload: Upload, names: tuple[str, ...], says: str
) -> None:
    status, code, detail = refusal(service, "/jobs/pretrain", {"videos": upload(*names)})
    assert (status, code) == (422, "no_usable_videos")
    assert says in detail


def test_flow_takes_one_short_video(client: Client, upload: Upload) -> None:
    assert client.start_job("flow", videos=upload("short")).status == "queued"


def test_videos_that_are_held_out_do_not_count(service: Service, client: Client, upload: Upload, name: str) -> None:
    one, two = upload("one", "two")
    client.create_dataset(name, videos=[one, {"video": two, "split": "test"}])
    assert refusal(service, "/jobs/pretrain", {"dataset": name})[1] == "no_usable_videos"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/jobs/pretrain", {"dataset": "nowhere"}, 404, "dataset_not_found"),
        ("/jobs/pretrain", {"videos": ["vid_nowhere"]}, 404, "video_not_found"),
        ("/jobs/pretrain", {}, 422, "dataset_unsuitable"),
        ("/jobs/pretrain", {"dataset": "labelled", "config": {"lern": {}}}, 422, "config_invalid"),
        ("/jobs/pretrain", {"dataset": "labelled", "config": {"learn": {"stepz": 1}}}, 422, "config_invalid"),
        ("/jobs/pretrain", {"dataset": "labelled", "config": {"learn": {"steps": -1}}}, 422, "config_invalid"),
        ("/jobs/pretrain", {"dataset": "labelled", "config": {"learn": {"steps": "many"}}}, 422, "config_invalid"),
        ("/jobs/pretrain", {"dataset": "labelled", "sead": 1}, 422, "request_invalid"),
        ("/jobs/pretrain", {"dataset": "labelled", "videos": ["v"]}, 422, "request_invalid"),
        ("/jobs/pretrain", {"dataset": "posed"}, 422, "dataset_unsuitable"),
        ("/jobs/finetune", {"dataset": "labelled", "task": "pose", "name": "m"}, 422, "dataset_unsuitable"),
        ("/jobs/finetune", {"dataset": "posed", "task": "action", "name": "m"}, 422, "dataset_unsuitable"),
        ("/jobs/finetune", {"dataset": "posed", "task": "pose"}, 422, "request_invalid"),
        ("/jobs/finetune", {"dataset": "posed", "task": "pose", "name": "m", "init": "no@1"}, 404, "model_not_found"),
        ("/jobs/evaluate", {"dataset": "posed", "model": "nowhere"}, 404, "model_not_found"),
        ("/jobs/index", {"dataset": "posed", "model": "nowhere", "collection": "c"}, 404, "model_not_found"),
        ("/jobs/tables", {"dataset": "labelled"}, 422, "dataset_unsuitable"),
        ("/jobs/tables", {"dataset": "labelled", "action": ["nowhere"]}, 404, "dataset_not_found"),
        ("/jobs/tables", {"dataset": "labelled", "pose": ["posed"]}, 422, "dataset_unsuitable"),
        ("/jobs/tables", {"dataset": "labelled", "action": ["labelled", "labelled"]}, 422, "dataset_unsuitable"),
        ("/jobs/tables", {"dataset": "labelled", "action": ["labelled"], "frames_of": ["x"]}, 422, "request_invalid"),
        ("/jobs/tables", {"action": ["labelled"]}, 422, "dataset_unsuitable"),
        ("/jobs/tables", {"action": ["labelled"], "init": {"motion": "no@1"}}, 422, "dataset_unsuitable"),
        ("/jobs/tables", {"action": ["labelled"], "config": {"seed": 3}}, 422, "config_invalid"),
        (
            "/jobs/tables",
            {"action": ["labelled"], "config": {"initialisations": ["random", "y"]}},
            422,
            "config_invalid",
        ),
        ("/jobs/nothing", {}, 405, "method_not_allowed"),
    ],
)
def test_what_could_not_be_done_is_refused_at_once(
    service: Service, labelled: str, posed: str, *, path: str, body: object, status: int, code: str
) -> None:
    assert refusal(service, path, body)[:2] == (status, code)


def test_models_must_fit_the_job(service: Service, client: Client, labelled: str, posed: str, name: str) -> None:
    pose = service.publish(f"{name}-pose", "pose").name
    action = service.publish(f"{name}-action", "action").name
    triplet = service.publish(f"{name}-triplet", "triplet").name
    refused = [
        ("/jobs/evaluate", {"dataset": posed, "model": triplet}, "model_unsuitable"),
        ("/jobs/evaluate", {"dataset": labelled, "model": pose}, "dataset_unsuitable"),
        ("/jobs/evaluate", {"dataset": labelled, "model": action, "split": "val"}, "dataset_unsuitable"),
        ("/jobs/evaluate", {"dataset": labelled, "model": action, "config": {"x": 1}}, "config_invalid"),
        ("/jobs/index", {"dataset": posed, "model": pose, "collection": "c"}, "model_unsuitable"),
        ("/jobs/finetune", {"dataset": posed, "task": "pose", "name": "m", "init": triplet}, "model_unsuitable"),
    ]
    for path, body, code in refused:
        assert refusal(service, path, body)[:2] == (422, code), body
    assert client.start_job("evaluate", dataset=labelled, model=action).spec["model"] == f"{action}@1"
    assert client.start_job("evaluate", dataset=posed, model=pose).status == "queued"
    assert client.start_job("index", dataset=labelled, model=triplet, collection="c").status == "queued"
    same = {"net": {"width": 1 / 32}}
    job = client.start_job("finetune", dataset=posed, task="pose", name="m", init=triplet, config=same)
    assert job.spec["init"] == f"{triplet}@1"


def test_a_comparison_is_accepted_with_its_models_pinned(
    service: Service, client: Client, labelled: str, name: str
) -> None:
    start = service.publish(f"{name}-start", "triplet", norm="batch").name
    net = {"net": {"width": 1 / 32}}
    parts = dict.fromkeys(("pose", "action", "static", "motion", "ranking", "steady"), net)
    config = parts | {"initialisations": ["random", "action"], "seeds": 2}
    asked: dict[str, Any] = {"action": [labelled], "init": {"mine": start}, "config": config}
    job = client.start_job("tables", **asked)
    assert (job.status, job.spec["init"]) == ("queued", {"mine": f"{start}@1"})
    wide = asked | {"config": {"initialisations": ["random"]}}
    assert refusal(service, "/jobs/tables", wide)[:2] == (422, "model_unsuitable")


def test_two_streams_take_a_start_that_looks_at_blocks_of_their_length(
    service: Service, client: Client, labelled: str, name: str
) -> None:
    triplet = service.publish(name, "triplet").name
    asked: dict[str, Any] = {"dataset": labelled, "task": "action", "name": "m", "init": triplet}
    config = {"net": {"width": 1 / 32}, "two_stream": True}
    assert client.start_job("finetune", **asked, config=config).spec["init"] == f"{triplet}@1"
    other = config | {"motion": {"gap_frames": 10}}
    assert refusal(service, "/jobs/finetune", {**asked, "config": other})[:2] == (422, "model_unsuitable")
    coarse = config | {"short_side_px": 200}
    assert refusal(service, "/jobs/finetune", {**asked, "config": coarse})[:2] == (422, "config_invalid")


def test_batch_norm_may_start_from_lrn_but_not_the_other_way(
    service: Service, client: Client, posed: str, name: str
) -> None:
    def asked(norm: Norm, *, start: Norm) -> dict[str, Any]:
        init = service.publish(f"{name}-{start}", "triplet", norm=start).name
        config = {"net": {"width": 1 / 32, "norm": norm}}
        return {"dataset": posed, "task": "pose", "name": "m", "init": init, "config": config}

    assert client.start_job("finetune", **asked("batch", start="lrn")).spec["init"] == f"{name}-lrn@1"
    assert refusal(service, "/jobs/finetune", asked("lrn", start="batch"))[:2] == (422, "model_unsuitable")


def test_the_same_key_and_request_is_one_job(service: Service, upload: Upload, name: str) -> None:
    body = {"videos": upload("one", "two")}
    headers = {"Idempotency-Key": name}
    with service.http() as http:
        first, again = (http.post("/jobs/pretrain", json=body, headers=headers) for _ in range(2))
        other = http.post("/jobs/pretrain", json={**body, "seed": 1}, headers=headers)
        without = http.post("/jobs/pretrain", json=body)
    assert first.json()["id"] == again.json()["id"] != without.json()["id"]
    assert again.headers["location"] == first.headers["location"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_the_same_key_and_files_are_one_job_and_one_data_set(client: Client, clips: dict[str, Path], name: str) -> None:
    files = [clips["one"], clips["two"]]
    first, again = (client.start_job("flow", files=files, idempotency_key=name) for _ in range(2))
    assert first.id == again.id
    with pytest.raises(ProblemError) as refused:
        client.start_job("flow", files=[clips["two"], clips["three"]], idempotency_key=name)
    assert (refused.value.status, refused.value.code) == (422, "idempotency_conflict")


@pytest.mark.parametrize("config", ["{", '{"sead": 1}', '{"dataset": "labelled"}', "[]"])
def test_the_config_field_is_checked(service: Service, clips: dict[str, Path], config: str) -> None:
    with service.http() as http:
        files = {"files": ("one.mp4", clips["one"].read_bytes())}
        answer = http.post("/jobs/flow", data={"config": config}, files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


def test_a_queued_job_is_cancelled_at_once_and_its_events_tell(
    service: Service, client: Client, upload: Upload
) -> None:
    job = client.start_job("flow", videos=upload("one"))
    assert client.cancel(job.id).status == "cancelled"
    assert client.cancel(job.id).status == "cancelled"
    assert client.wait(job.id, timeout_s=30).done
    assert [event.kind for event in client.job_events(job.id)] == ["queued", "cancelled"]
    with service.http() as http:
        page = http.get(f"/jobs/{job.id}/events", params={"limit": 1}).json()
        rest = http.get(f"/jobs/{job.id}/events", params={"cursor": page["next_cursor"]}).json()
    assert [event["kind"] for event in page["items"] + rest["items"]] == ["queued", "cancelled"]


def test_a_finished_job_cannot_be_cancelled(service: Service, client: Client, upload: Upload) -> None:
    job = service.store.jobs.claim(client.start_job("flow", videos=upload("one")).id, "a worker")
    assert job is not None
    service.store.jobs.succeed(job, {"packs": 1})
    with pytest.raises(ProblemError) as refused:
        client.cancel(job.id)
    assert (refused.value.status, refused.value.code) == (409, "job_state_conflict")
    assert client.job(job.id).result == {"packs": 1}


def test_events_stream_and_go_on_after_the_last_one_seen(service: Service, client: Client, upload: Upload) -> None:
    job = client.start_job("flow", videos=upload("one"))
    held = service.store.jobs.claim(job.id, "a worker")
    assert held is not None
    seen: list[str] = []
    path, accept = f"/jobs/{job.id}/events", {"Accept": "text/event-stream"}
    with service.http() as http, http.stream("GET", path, headers=accept) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("event: "):
                seen.append(line.removeprefix("event: "))
            if seen[-1:] == ["claimed"] and line.startswith("data: "):
                service.store.jobs.progress(held, Progress(phase="flow", step=1, total=2))
            if seen[-1:] == ["progress"] and line.startswith("data: "):
                service.store.jobs.fail(held, "video_unreadable", "It is damaged.")
    assert seen == ["queued", "claimed", "phase", "progress", "failed", "done"]
    ids = [event.id for event in client.job_events(job.id)]
    replay = {"Accept": "text/event-stream", "Last-Event-ID": str(ids[2])}
    with service.http() as http:
        text = http.get(f"/jobs/{job.id}/events", headers=replay).text
    assert [line for line in text.splitlines() if line.startswith("id: ")] == [f"id: {ids[3]}", f"id: {ids[4]}"]
    assert text.endswith('event: done\ndata: {"status": "failed"}\n\n')
    assert client.job(job.id).error == {"code": "video_unreadable", "message": "It is damaged."}


def test_a_reader_that_leaves_frees_its_place(service: Service, client: Client, upload: Upload) -> None:
    job = client.start_job("flow", videos=upload("one"))

    def followers() -> float:
        with service.http() as http:
            return next(
                float(line.split()[1])
                for line in http.get("/metrics").text.splitlines()
                if line.startswith("pfa_event_streams ")
            )

    assert followers() == 0
    with service.http() as http, ExitStack() as stack:
        read = []  # an iterator that is dropped hangs up
        for _ in range(3):
            path, accept = f"/jobs/{job.id}/events", {"Accept": "text/event-stream"}
            stream = stack.enter_context(http.stream("GET", path, headers=accept))
            read.append(stream.iter_lines())
            assert next(read[-1]).startswith("id: ")
        assert followers() == 3
    wait_for(lambda: followers() == 0, what="the streams to end")
    client.cancel(job.id)


def test_a_log_is_text(service: Service, client: Client, upload: Upload) -> None:
    job = client.start_job("flow", videos=upload("one"))
    log = service.store.files.job_log(job.id)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("decoding one.mp4\n")
    assert client.job_log(job.id) == "decoding one.mp4\n"


@pytest.mark.parametrize("path", ["/jobs/none", "/jobs/none/events", "/jobs/none/logs"])
def test_an_unknown_job_is_not_found(service: Service, path: str) -> None:
    for accept in ("application/json", "text/event-stream"):
        with service.http() as http:
            answer = http.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
