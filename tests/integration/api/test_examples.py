"""The client's examples against a running service, as their users start them; a file stands for the camera."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pfa_store.settings import Settings
from tests.integration import broker as brokers
from tests.integration.api.service import Service, running
from tests.integration.workers.service import Service as Workers

ROOT = Path(__file__).parents[3]
TINY = {"net": {"width": 1 / 32, "crop_px": 64}, "learn": {"steps": 3, "batch_size": 2, "validate_every_steps": 100}}


def example(service: Service, name: str, *arguments: object, exit_code: int = 0) -> str:
    """What `client/examples/<name>` prints."""
    environment = {**os.environ, "PFA_URL": service.url, "PFA_KEY": service.key, "PYTHONPATH": str(ROOT / "client")}
    command = [sys.executable, str(ROOT / "client" / "examples" / name), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(6):
        assert cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 255, (96, 96, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with workers."""
    data_dir = tmp_path_factory.mktemp("working")
    with brokers.broker() as broker:
        broker.start()
        workers = Workers(Settings(data_dir=data_dir, broker_url=broker.url, min_free_bytes=0))
        try:
            with running(data_dir, PFA_BROKER_URL=broker.url) as service:
                workers.start()
                yield service
        finally:
            workers.stop()  # waits for every process of this folder, the API's too


def test_frames_of_a_camera_are_labelled(service: Service, clips: dict[str, Path], name: str) -> None:
    service.publish(name, "action")
    lines = example(service, "label_camera.py", "--model", name, "--source", clips["one"], "--every", 8).splitlines()
    assert lines
    for position, line in enumerate(lines):
        number, label, probability = line.split("\t")
        assert int(number) == 8 * position
        assert label in ("run", "walk", "wave")
        assert 1 / 3 <= float(probability) + 0.01 <= 1.01


def test_a_folder_is_gone_through_many_at_once(service: Service, images: Path, name: str, tmp_path: Path) -> None:
    service.publish(name, "pose")
    found = [json.loads(line) for line in example(service, "batch_folder.py", "--model", name, images).splitlines()]
    assert {each["image"] for each in found} == {str(path) for path in images.iterdir()}
    assert all(len(each["keypoints"]) == 9 for each in found)
    (tmp_path / "text.jpg").write_text("no image")
    assert example(service, "batch_folder.py", "--model", name, tmp_path, exit_code=1) == ""


def test_coco_annotations_become_a_model_in_production(working: Service, images: Path, tmp_path: Path) -> None:
    joints = ["nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip"]
    keypoints = [number for row in range(5) for number in (30 + row, 20 + 10 * row, 2)]
    coco = {
        "images": [{"id": n, "file_name": f"{n}.png", "width": 96, "height": 96} for n in range(6)],
        "categories": [{"id": 1, "name": "person", "keypoints": joints, "skeleton": []}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "keypoints": keypoints, "num_keypoints": 5,
             "bbox": [10, 10, 60, 70], "iscrowd": 0}
            for n in range(6)
        ],
    }  # fmt: skip
    annotations = tmp_path / "coco.json"
    annotations.write_text(json.dumps(coco))
    told = json.loads(
        example(
            working, "finetune_coco.py", "--images", images, "--annotations", annotations, "--name", "joints",
            "--config", json.dumps(TINY),
        )
    )  # fmt: skip
    assert told["model"] == "joints@1"
    assert told["metrics"]["num_people"] == 6
    with working.client() as pfa:
        assert pfa.resolve_model("joints@production") == ("joints", 1)
        events = [event.kind for event in next(pfa.jobs(kind="finetune")).events()]
        assert events
