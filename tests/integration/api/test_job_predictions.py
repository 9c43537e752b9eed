"""What a prediction job found, page by page over HTTP, and its files."""

import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.admission import admitted
from pfa_client import Client
from pfa_core.errors import VideoTooLarge
from pfa_core.progress import run_to_end
from pfa_core.skeleton import FLIC
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.specs import PredictSpec
from pfa_store.store import Store
from tests.integration.api import media
from tests.integration.api.service import LABELS, Service
from workers.handlers import predict
from workers.work import Work


def done(service: Service, clips: dict[str, Path], task: Any, config: dict[str, Any]) -> Job:
    """A prediction job about three clips, done by its handler in this process."""
    store = service.store
    model = service.publish(f"{task}-of-videos", "pose" if task == "pose" else "action").ref
    videos = [
        store.videos.add(io.BytesIO(clips[name].read_bytes()), filename=f"{name}.mp4")[0].id
        for name in ("one", "short", "two")
    ]
    added = store.jobs.add("predict", PredictSpec(task=task, model=model, videos=videos, config=config))
    job = store.jobs.claim(added.id, "this test")
    assert job is not None
    result = run_to_end(predict.handle(Work(job=job, store=store)), lambda progress: None)
    store.jobs.succeed(job, result)
    return store.jobs.get(job.id)


@pytest.fixture(scope="module")
def posed(service: Service, clips: dict[str, Path]) -> Job:
    return done(service, clips, "pose", {"frame_step": 2, "boxes": [[0, 0, 60, 90], [30, 0, 60, 90]]})


def test_pages_are_the_lines_of_the_files(service: Service, posed: Job) -> None:
    assert posed.result is not None
    folder = service.store.files.job_files(posed.id, posed.token)
    lines = [
        (entry["video"], json.loads(line))
        for entry in posed.result["videos"]
        for line in (folder / entry["frames"]).read_text().splitlines()
    ]
    assert len(lines) == 15 + 3 + 15
    found: list[Any] = []
    cursor = None
    with service.http() as http:
        while True:
            params = {"limit": 4, **({} if cursor is None else {"cursor": cursor})}
            page = http.get(f"/jobs/{posed.id}/predictions", params=params).json()
            assert 0 < len(page["items"]) <= 4 or page["next_cursor"] is None
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    assert [(item["video"], item["frame"]) for item in found] == [(video, line["frame"]) for video, line in lines]
    for item, (_, line) in zip(found, lines, strict=True):
        for person, plain in zip(item["people"], line["people"], strict=True):
            assert (person["id"], person["box"]) == (plain["id"], plain["box"])
            keypoints = [[k["x_px"], k["y_px"], k["score"], k["visible"]] for k in person["keypoints"]]
            assert keypoints == plain["keypoints"]
            assert [k["joint"] for k in person["keypoints"]] == list(FLIC.names)


def test_one_video_can_be_asked_for(service: Service, client: Client, posed: Job) -> None:
    assert posed.result is not None
    short = posed.result["videos"][1]["video"]
    assert [frame["frame"] for frame in client.predictions(posed.id, video=short)] == [0, 2, 4]
    assert len(list(client.predictions(posed.id))) == 33
    with service.http() as http:
        answer = http.get(f"/jobs/{posed.id}/predictions", params={"video": "vid_nobody"})
        assert (answer.status_code, answer.json()["code"]) == (404, "video_not_found")


@pytest.mark.parametrize("cursor", ["0-1", "0-99999999", "x", "0-", "1-7", "-1-0", "1" * 40])
def test_a_cursor_from_elsewhere_is_refused(service: Service, posed: Job, cursor: str) -> None:
    with service.http() as http:
        answer = http.get(f"/jobs/{posed.id}/predictions", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


def test_files_can_be_fetched_and_the_video_played_from_its_middle(
    service: Service, client: Client, posed: Job
) -> None:
    kinds = {file.name: file.media_type for file in client.job_files(posed.id)}
    assert kinds["overlay-0002.mp4"] == "video/mp4"
    assert kinds["poses.coco.json"] == "application/json"
    assert kinds["frames-0001.jsonl"] == "application/x-ndjson"
    whole = client.job_file(posed.id, "overlay-0001.mp4")
    with service.http() as http:
        part = http.get(f"/jobs/{posed.id}/files/overlay-0001.mp4", headers={"Range": "bytes=100-199"})
    assert part.status_code == httpx.codes.PARTIAL_CONTENT
    assert part.content == whole[100:200]


def test_a_job_that_would_look_at_too_many_frames_is_refused(tmp_path: Path, clips: dict[str, Path]) -> None:
    store = Store.open(Settings(data_dir=tmp_path, min_free_bytes=0, max_predict_frames=30))
    try:
        Service("", "", store, 0).publish("poser", "pose")
        videos = [
            store.videos.add(io.BytesIO(clips[name].read_bytes()), filename=name)[0].id for name in ("one", "short")
        ]
        spec = PredictSpec(task="pose", model="poser", videos=videos)
        with pytest.raises(VideoTooLarge, match=r"35 frames.*config\.frame_step"):
            admitted(spec, store)
        assert admitted(spec.model_copy(update={"config": {"frame_step": 2}}), store)
        assert admitted(spec.model_copy(update={"videos": videos[:1]}), store)
    finally:
        store.close()


def test_windows_of_actions(service: Service, client: Client, clips: dict[str, Path]) -> None:
    job = done(service, clips, "action", {"window_s": 0.4, "stride_s": 0.2, "top": 2})
    found = list(client.predictions(job.id))
    assert job.result is not None
    assert [window["start_s"] for window in found][:3] == [0.0, 0.2, 0.4]
    assert all(len(window["labels"]) == 2 for window in found)
    assert {entry["label"] for window in found for entry in window["labels"]} <= set(LABELS)
    first = job.result["videos"][0]
    everything = json.loads(client.job_file(job.id, "actions.json"))["videos"][0]
    assert (first["ranges"], first["num_ranges"]) == (everything["ranges"], len(everything["ranges"]))
    assert first["ranges"][0]["start_s"] == 0
    assert first["ranges"][-1]["end_s"] == pytest.approx(1.2)
    assert len(first["labels"]) == 2


def test_a_video_that_cannot_be_used_is_left_out_by_its_id(service: Service, clips: dict[str, Path]) -> None:
    """The box lies in the wide video and outside the others."""
    wide = media.clip(clips["one"].with_name("wide.mp4"), size=(96, 256), seed=9)
    job = done(service, {**clips, "short": wide}, "pose", {"boxes": [[150, 0, 60, 90]]})
    assert job.result is not None
    assert [entry["file"] for entry in job.result["videos"]] == ["short.mp4"]
    named = service.store.jobs.get(job.id).spec["videos"]
    assert [(left["video"], left["code"]) for left in job.result["left_out"]] == [
        (named[0], "box_outside_image"), (named[2], "box_outside_image"),
    ]  # fmt: skip
