"""From POSTed videos to predictions, over HTTP alone, against `pfa up`. Tiny nets, real everything."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_core.synthetic import ClipSet, SceneConfig, make_clip_set, make_pose_images
from tests.e2e.conftest import UpProcess
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

NET = {"width": 0.0625, "crop_px": 64}
LEARN = {"batch_size": 8, "steps": 6, "validate_every_steps": 3, "checkpoint_every_steps": 3}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    """12 clips: 4 people, one of them held out, three actions."""
    return make_clip_set(
        tmp_path_factory.mktemp("clips"), num_actors=4, seed=5, config=SceneConfig(num_frames=20),
        actions=("walk", "wave_both", "squat"),
    )  # fmt: skip


def finished(http: httpx.Client, answer: httpx.Response) -> Mapping[str, Any]:
    """Wait until a job that was just accepted is done; it must have succeeded."""
    assert answer.status_code == httpx.codes.ACCEPTED, answer.text
    location = answer.headers["Location"]

    def done() -> dict[str, Any] | None:
        job: dict[str, Any] = http.get(location).json()
        return job if job["done"] else None

    job = wait_for(done, timeout_s=300, what=location)
    assert job["status"] == "succeeded", job
    return job


@pytest.fixture(scope="module")
def pretrained(up: UpProcess, clips: ClipSet) -> Mapping[str, Any]:
    """The job that made model `walker` from POSTed clips, the way the README says."""
    config = {
        "name": "walker",
        "config": {"net": NET, "learn": LEARN, "pack": {"short_side_px": 64, "backend": "dis"}, "val_triplets": 8},
    }
    with up.http() as http:
        files: list[tuple[str, Any]] = [
            ("files", (clip.file, (clips.folder / clip.file).read_bytes())) for clip in clips.clips
        ]
        files.append(("annotations", ("labels.csv", clips.labels.read_bytes())))
        return finished(http, http.post("/jobs/pretrain", files=files, data={"config": json.dumps(config)}))


def test_pretraining_publishes_a_model_with_its_lineage(
    up: UpProcess, clips: ClipSet, pretrained: Mapping[str, Any]
) -> None:
    assert pretrained["result"]["model"] == "walker@1"
    assert pretrained["result"]["left_out"] == []
    metrics = pretrained["result"]["metrics"]
    assert metrics["chance"] == pytest.approx(2 / 3)
    assert metrics["train_videos"] == 9
    assert metrics["held_out_videos"] == 3
    with up.http() as http:
        version = http.get("/models/walker/versions/1").json()
        assert version["kind"] == "triplet"
        assert version["lineage"]["job"] == pretrained["id"]
        assert len(version["lineage"]["items_sha256"]) == len(clips.clips)
        manifest = http.get("/models/walker/versions/1/files/manifest.json").json()
        assert "model.safetensors" in json.dumps(manifest)
        curve = http.get(f"/jobs/{pretrained['id']}/metrics").json()
        assert [row["step"] for row in curve if "val_accuracy" in row] == [3, 6]
        assert http.get("/models/walker/versions/1/filters.png").content.startswith(b"\x89PNG")


def test_action_from_motion_labels_a_clip_that_was_not_trained_on(
    up: UpProcess, clips: ClipSet, pretrained: Mapping[str, Any]
) -> None:
    with up.http() as http:
        spec = {
            "task": "action", "dataset": pretrained["spec"]["dataset"], "init": "walker", "name": "labels",
            "config": {"net": NET, "learn": LEARN, "short_side_px": 64},
        }  # fmt: skip
        model = finished(http, http.post("/jobs/finetune", json=spec))["result"]["model"]
        assert model == "labels@1"
        lineage = http.get("/models/labels/versions/1").json()["lineage"]
        assert lineage["parent"] == "walker@1"
        scores = finished(http, http.post("/jobs/evaluate", json={"model": "labels", "dataset": spec["dataset"]}))[
            "result"
        ]["metrics"]
        assert scores["num_clips"] == 3  # the held-out person's three clips, and no other
        unseen = next(clip for clip in clips.clips if clip.split == "test")
        answer = http.post(
            "/predict/action", params={"model": "labels"}, files={"file": (clips.folder / unseen.file).read_bytes()}
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        labels = answer.json()["labels"]
        assert {one["label"] for one in labels} == {"walk", "wave_both", "squat"}
        assert sum(one["probability"] for one in labels) == pytest.approx(1, abs=1e-3)


def test_pose_from_motion_and_retrieval(
    up: UpProcess, clips: ClipSet, pretrained: Mapping[str, Any], tmp_path: Path
) -> None:
    annotations = make_pose_images(tmp_path, clips.clips, per_clip=2, seed=1, config=clips.config)
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((tmp_path / "images").iterdir()):
            packed.write(path, path.relative_to(tmp_path))
    with up.http() as http:
        files = [("files", ("images.zip", archive.read_bytes())), ("annotations", ("a.json", annotations.read_bytes()))]
        made = http.post("/datasets", files=files, data={"name": "poses"})
        assert made.status_code == httpx.codes.CREATED, made.text
        assert made.json()["num_items"] == 24
        spec = {
            "task": "pose", "dataset": "poses", "init": "walker", "name": "joints",
            "config": {"net": NET, "learn": LEARN},
        }  # fmt: skip
        finished(http, http.post("/jobs/finetune", json=spec))
        image = next((tmp_path / "images").iterdir()).read_bytes()
        answer = http.post("/predict/pose", params={"model": "joints", "heatmaps": "true"}, content=image,
                           headers={"Content-Type": "image/jpeg"})  # fmt: skip
        assert answer.status_code == httpx.codes.OK, answer.text
        pose = answer.json()
        assert len(pose["keypoints"]) == 15  # LSP's fourteen joints and the nose
        picture = http.post("/predict/pose", params={"model": "joints"}, files={"file": image},
                            headers={"Accept": "image/png"})  # fmt: skip
        assert picture.content.startswith(b"\x89PNG")
        assert http.post("/collections", json={"name": "gallery", "model": "walker"}).status_code == 201
        index = {
            "collection": "gallery",
            "model": "walker",
            "dataset": pretrained["spec"]["dataset"],
            "every_frames": 4,
        }
        assert finished(http, http.post("/jobs/index", json=index))["result"]["items"] == 12 * 5
        near = http.post("/retrieve/pose", params={"collection": "gallery", "k": 3}, files={"file": image}).json()
        distances = [item["distance"] for item in near["items"]]
        assert len(distances) == 3
        assert distances == sorted(distances)
        assert all(item["time_s"] is not None and item["thumbnail"] for item in near["items"])
