"""The console's forms of jobs, and the pages of what jobs found."""

import html
import io
import json
import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_core.progress import run_to_end
from pfa_store.job_record import Job
from pfa_store.specs import PredictSpec
from tests.integration.api import media
from tests.integration.api.service import Service
from tests.integration.api.test_console import HOSTILE, browser, token_of
from workers.handlers import predict
from workers.work import Work


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with browser(service) as http:
        yield http


def started(service: Service, http: httpx.Client, kind: str, **fields: object) -> Job:
    """The job that a form starts; it is cancelled at once."""
    answer = http.post(f"/console/jobs/new/{kind}", data={"csrf": token_of(http), **fields})
    assert answer.status_code == HTTPStatus.SEE_OTHER, html.unescape(answer.text)
    job = service.store.jobs.get(answer.headers["location"].rpartition("/")[2])
    service.store.jobs.request_cancel(job.id)
    return job


def test_the_form_of_poses_is_a_spec(
    service: Service, http: httpx.Client, name: str, upload: Callable[..., list[str]]
) -> None:
    service.publish(name, "pose")
    videos = upload("one", "two")
    job = started(
        service, http, "predict", task="pose", model=name, dataset="", videos=videos, priority="2",
        **{"config.detect": "hog", "config.frame_step": "3", "config.overlay": "false", "config": '{"frame_step": 4}'},
    )  # fmt: skip
    assert job.request == PredictSpec(
        task="pose", model=f"{name}@1", videos=videos, priority=2,
        config={"detect": "hog", "frame_step": 4, "overlay": False},
    )  # fmt: skip


def test_the_form_of_actions_is_a_spec(
    service: Service, http: httpx.Client, name: str, upload: Callable[..., list[str]]
) -> None:
    service.publish(name, "action")
    (video,) = upload("one")
    fields: dict[str, object] = {"config.window_s": "1.5", "config.stride_s": "0.5", "config.protocol": "crops250"}
    job = started(service, http, "predict", task="action", model=name, videos=video, **fields)
    assert job.spec["config"] == {"window_s": 1.5, "stride_s": 0.5, "protocol": "crops250"}


def test_the_form_of_tables_is_a_spec(
    service: Service, http: httpx.Client, name: str, upload: Callable[..., list[str]]
) -> None:
    one, two, three = upload("one", "two", "long")
    rows = ((one, "walk", "train"), (two, "run", "train"), (three, "run", "test"))
    videos = [{"video": video, "label": label, "split": split} for video, label, split in rows]
    with service.http() as client:
        assert client.post("/datasets", json={"name": name, "videos": videos}).status_code == HTTPStatus.CREATED
    page = http.get("/console/jobs/new/tables").text
    assert f'name="action" value="{name}"' in page
    assert f'name="pose" value="{name}"' not in page
    fields: dict[str, object] = {
        "config.initialisations": ["random", "action"], "config.seeds": "2", "init.motion": "", "seed": "4",
    }  # fmt: skip
    job = started(service, http, "tables", action=name, frames_of=name, dataset="", preset="small", **fields)
    assert job.spec["action"] == job.spec["frames_of"] == [name]
    assert (job.spec["dataset"], job.spec["init"], job.spec["seed"]) == (None, {}, 4)
    assert job.spec["config"] == {"initialisations": ["random", "action"], "seeds": 2}


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("predict", {"task": "pose", "model": "none-such"}, "none-such"),
        ("predict", {"task": "dance", "model": "any"}, "form.task"),
        ("predict", {"task": "pose", "model": "any", "config.step": "1"}, "there is no such key"),
        ("tables", {"config.seeds": "many", "action": "any"}, "config.seeds"),
        ("tables", {}, "nothing to compare by"),
        ("tables", {"init.nothing": HOSTILE}, "form.init"),
    ],
)
def test_a_form_says_what_is_wrong(http: httpx.Client, kind: str, fields: dict[str, str], told: str) -> None:
    answer = http.post(f"/console/jobs/new/{kind}", data={"csrf": token_of(http), **fields})
    assert answer.status_code in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND)
    alert = re.search(r'<p class="alert" role="alert">(.*?)</p>', answer.text, re.DOTALL)
    assert alert is not None
    assert told in alert[1]
    assert HOSTILE not in answer.text


def predicted(service: Service, folder: Path, task: Any, config: dict[str, Any]) -> Job:
    """A prediction job about a clip with a hostile name, done by its handler in this process."""
    store = service.store
    model = service.publish(f"{task}-shown", "pose" if task == "pose" else "action").ref
    video, _ = store.videos.add(
        io.BytesIO(media.clip(folder / "clip.mp4", seed=79).read_bytes()), filename=f"{HOSTILE}.mp4"
    )
    added = store.jobs.add("predict", PredictSpec(task=task, model=model, videos=[video.id], config=config))
    job = store.jobs.claim(added.id, "this test")
    assert job is not None
    store.jobs.succeed(job, run_to_end(predict.handle(Work(job=job, store=store)), lambda progress: None))
    return store.jobs.get(job.id)


def test_poses_of_a_video_are_shown_as_text_and_as_a_video(
    service: Service, http: httpx.Client, tmp_path: Path
) -> None:
    job = predicted(service, tmp_path, "pose", {"boxes": [[0, 0, 60, 90], [30, 0, 60, 90]]})
    assert job.result is not None
    (entry,) = job.result["videos"]
    page = http.get(f"/console/jobs/{job.id}").text
    source = re.search(r'<video [^>]*src="([^"]+)"', page)
    assert source is not None
    part = http.get(source[1], headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (HTTPStatus.PARTIAL_CONTENT, b"ftyp")
    assert part.headers["content-type"] == "video/mp4"
    shown = http.get(f"/console/jobs/{job.id}/predictions", params={"video": entry["video"]}).text
    lines = service.store.files.job_files(job.id, job.token) / entry["frames"]
    second = json.loads(lines.read_text().splitlines()[0])["people"][1]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", shown, re.DOTALL)
    points = re.findall(r'<td class="point[^"]*">(-?\d+), (-?\d+)</td>', rows[1])
    assert [(float(x), float(y)) for x, y in points] == [
        (round(x), round(y)) for x, y, _, _ in second["keypoints"]
    ]  # fmt: skip
    for text in (page, shown):
        assert "&lt;script&gt;" in text
        assert "<script>" not in text


def test_windows_are_shown_and_other_jobs_have_none(service: Service, http: httpx.Client, tmp_path: Path) -> None:
    job = predicted(service, tmp_path, "action", {"window_s": 0.4, "stride_s": 0.2})
    assert job.result is not None
    (entry,) = job.result["videos"]
    path = f"/console/jobs/{job.id}/predictions"
    assert http.get(path, params={"video": entry["video"]}).text.count('<th scope="row">') == entry["num_windows"]
    assert http.get(path, params={"video": "none"}).status_code == HTTPStatus.NOT_FOUND
    assert http.get(path, params={"video": entry["video"], "cursor": HOSTILE}).status_code == 422
    assert http.get(path).status_code == 422
    other = service.store.jobs.add("flow", {"videos": [entry["video"]], "preset": "small"})
    service.store.jobs.request_cancel(other.id)
    assert http.get(f"/console/jobs/{other.id}/predictions", params={"video": "any"}).status_code == 404


def test_the_report_of_a_comparison_is_tables_and_pictures(service: Service, http: httpx.Client) -> None:
    store = service.store
    added = store.jobs.add("tables", {"action": ["clips"], "preset": "small"})
    job = store.jobs.claim(added.id, "this test")
    assert job is not None
    report = f"# Does it help?\n\n| start | rate |\n|---|---:|\n| motion | {HOSTILE} |\n\n![a chart](pdj.png)\n"
    folder = store.files.job_files(job.id, job.token)
    store.files.write_atomic(folder / "tables.md", report.encode())
    store.files.write_atomic(folder / "pdj.png", b"a picture")
    path = f"/console/jobs/{job.id}"
    assert 'id="tables"' not in http.get(path).text
    store.jobs.succeed(job, {"findings": [], "num_cells": 0, "left_out": [], "files": ["tables.md", "pdj.png"]})
    page = http.get(path).text
    assert "<td>&lt;script&gt;alert(1)&lt;!--</td>" in page
    assert "![a chart]" not in page
    assert f'<img src="{path}/files/pdj.png"' in page
    assert http.get(f"{path}/files/pdj.png").content == b"a picture"
    assert http.get(f"{path}/files/..%2Ftables.md").status_code == HTTPStatus.NOT_FOUND
    assert http.get(f"{path}/files/tables.md").headers["x-content-type-options"] == "nosniff"
