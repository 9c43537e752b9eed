"""`docker compose up` from nothing: the whole way, crashes, down and up again. Needs Docker, as root.

The tests build on each other, in their order.
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pfa_core.synthetic import ClipSet, make_pose_images
from tests.stack.stack import SERVICES, Stack, finished, job_at
from tests.waiting import wait_for

NET = {"width": 0.0625, "crop_px": 64}
LEARN = {"batch_size": 8, "validate_every_steps": 500, "checkpoint_every_steps": 50}
STEPS = 6000
"""Enough to be under way through every crash."""


@pytest.fixture(scope="module")
def image(clips: ClipSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of the pose images in a folder beside their annotations."""
    folder = tmp_path_factory.mktemp("people")
    make_pose_images(folder, clips.clips, per_clip=2, seed=1, config=clips.config)
    return sorted((folder / "images").iterdir())[0]


def test_containers_have_few_rights(stack: Stack) -> None:
    for service in SERVICES:
        host = stack.inspect(service)["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        published = [ports for ports in stack.inspect(service)["NetworkSettings"]["Ports"].values() if ports]
        assert bool(published) == (service == "api"), f"only the API can be reached from outside, not {service}"
    for service in ("api", "worker-flow", "worker-train"):
        assert stack.compose("exec", "-T", service, "id", "-u").strip() == "10001"
        environment = " ".join(stack.inspect(service)["Config"]["Env"])
        password = stack.compose("exec", "-T", service, "cat", "/secrets/redis_password").strip()
        assert password not in environment


def test_a_job_survives_the_crash_of_every_container(stack: Stack, clips: ClipSet) -> None:
    config = {
        "name": "walker",
        "config": {"net": NET, "learn": {**LEARN, "steps": STEPS}, "val_triplets": 8,
                   "pack": {"short_side_px": 64}},
    }  # fmt: skip
    with stack.http() as http:
        files: list[tuple[str, Any]] = [
            ("files", (clip.file, (clips.folder / clip.file).read_bytes())) for clip in clips.clips
        ]
        files.append(("annotations", ("labels.csv", clips.labels.read_bytes())))
        accepted = http.post("/jobs/pretrain", files=files, data={"config": json.dumps(config)})
        assert accepted.status_code == 202, accepted.text
        location = accepted.headers["Location"]

        def beyond(step: int) -> Callable[[], int | None]:
            return lambda: reached_in(step)

        def reached_in(step: int) -> int | None:
            job = job_at(http, location)
            assert job is None or not job["done"], f"it ended too early: {job}"
            if job is None or job["status"] != "running" or job["phase"] != "train":
                return None
            now: int = job["progress"]["step"]
            return now if now > step else None

        for service in ("redis", "worker-flow", "api", "postgres", "worker-train"):
            reached = wait_for(beyond(0), timeout_s=300, what="training")
            stack.crash(service)
            wait_for(beyond(reached), timeout_s=300, what=f"steps after the crash of {service}")
        job = finished(http, accepted)
        assert job["attempt"] == 2, "only the crash of its own worker costs an attempt"
        curve = http.get(f"{location}/metrics").json()
        assert [row["step"] for row in curve if "val_accuracy" in row] == list(range(500, STEPS + 1, 500))
        models = http.get("/models").json()["items"]
        assert [(model["name"], len(model["versions"])) for model in models] == [("walker", 1)]


def test_a_pose_is_predicted_and_nothing_is_lost_by_down_and_up(stack: Stack, image: Path) -> None:
    folder = image.parents[1]
    archive = folder / "images.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((folder / "images").iterdir()):
            packed.write(path, path.relative_to(folder))
    annotations = next(folder.glob("*.json")).read_bytes()
    with stack.http() as http:
        files = [("files", ("images.zip", archive.read_bytes())), ("annotations", ("a.json", annotations))]
        assert http.post("/datasets", files=files, data={"name": "poses"}).status_code == 201
        spec = {
            "task": "pose", "dataset": "poses", "init": "walker", "name": "joints",
            "config": {"net": NET, "learn": {**LEARN, "steps": 60, "validate_every_steps": 30}},
        }  # fmt: skip
        finished(http, http.post("/jobs/finetune", json=spec))
        before = what_there_is(http, image)
    stack.compose("down")
    stack.compose("up", "--detach")
    stack.wait_until_healthy(*SERVICES)
    with stack.http() as http:
        assert what_there_is(http, image) == before


def what_there_is(http: Any, image: Path) -> dict[str, Any]:
    """Jobs, models, videos and a prediction."""
    pose = http.post("/predict/pose", params={"model": "joints"}, files={"file": image.read_bytes()})
    assert pose.status_code == 200, pose.text
    lists = {path: http.get(path).json()["items"] for path in ("/jobs", "/models", "/videos", "/datasets")}
    return {"pose": pose.json(), **lists}
