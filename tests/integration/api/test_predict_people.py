"""Several people and several images over HTTP: each is what it is alone; what cannot be used is told by itself."""

import io
import os
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pfa_client import Client
from pfa_core.images import read_image
from pfa_core.person_finder import find_people
from pfa_core.predict import PosePredictor
from pfa_core.skeleton import FLIC
from pfa_store.models import ModelVersion
from tests.integration.api import media
from tests.integration.api.service import Service

DATA = Path(os.environ.get("PFA_TEST_DATA", Path(__file__).resolve().parents[4] / "shared/data"))
CROWD = DATA / "pose_images/mmpose_samples/images/ochuman_003799.jpg"
PICTURE = media.picture(size=(120, 90))
PNG = media.encoded(PICTURE)
BOXES = [(10.0, 20.0, 40.0, 60.0), (30.0, 0.0, 60.0, 90.0)]
TEXT = ["10,20,40,60", "30,0,60,90"]


@pytest.fixture(scope="module")
def model(service: Service) -> ModelVersion:
    return service.publish("people-poser", "pose")


@pytest.fixture(scope="module")
def predictor(service: Service, model: ModelVersion) -> PosePredictor:
    return PosePredictor.load(service.store.models.folder(model))


def ask(service: Service, **request: Any) -> httpx.Response:
    with service.http() as http:
        params = {"model": "people-poser", **request.pop("params", {})}
        return http.post("/predict/pose", params=params, **request)


def raw(service: Service, content: bytes = PNG, *, accept: str = "application/json", **params: Any) -> httpx.Response:
    return ask(service, content=content, headers={"Content-Type": "image/png", "Accept": accept}, params=params)


def points(person: Any) -> Any:
    return [(keypoint["x_px"], keypoint["y_px"]) for keypoint in person["keypoints"]]


@pytest.mark.parametrize("box", [";".join(TEXT), TEXT])
def test_each_box_is_a_person(service: Service, predictor: PosePredictor, box: Any) -> None:
    answer = raw(service, box=box, heatmaps="true").json()
    assert [tuple(person["box"]) for person in answer["people"]] == BOXES
    for person, expected in zip(answer["people"], BOXES, strict=True):
        alone = predictor(PICTURE, box=expected)
        assert np.allclose(points(person), alone.keypoints_px, atol=2e-2)
        assert np.allclose(person["heatmaps"]["values"], alone.heatmaps, atol=2e-3)
    first = answer["people"][0]
    assert all(answer[name] == first[name] for name in ("box", "keypoints", "heatmaps"))
    assert answer["note"] is None


def test_every_format_has_everybody(service: Service, model: ModelVersion) -> None:
    coco = raw(service, accept="application/vnd.coco+json", box=TEXT).json()
    assert [tuple(one["bbox"]) for one in coco["annotations"]] == BOXES
    assert [one["id"] for one in coco["annotations"]] == [1, 2]
    with np.load(io.BytesIO(raw(service, accept="application/x-npz", box=TEXT).content)) as archive:
        assert archive["people_keypoints_px"].shape == (2, len(FLIC), 2)
        assert archive["people_boxes"].tolist() == [list(box) for box in BOXES]
        for name in ("keypoints_px", "scores", "heatmaps", "cells_to_image"):
            assert (archive[name] == archive[f"people_{name}"][0]).all()
    drawn = [
        np.asarray(Image.open(io.BytesIO(raw(service, accept="image/png", box=box).content)), dtype=np.int16)
        for box in (TEXT[:1], TEXT)
    ]
    assert drawn[0].shape == PICTURE.shape
    assert np.abs(drawn[0] - drawn[1])[80:].max() > 0, "the second person is drawn too"


def test_nobody_found_is_an_answer(service: Service, model: ModelVersion) -> None:
    blank = media.encoded(np.full((200, 200, 3), 128, np.uint8))
    answer = raw(service, blank, detect="hog")
    assert answer.status_code == httpx.codes.OK
    assert (answer.json()["people"], answer.json()["keypoints"]) == ([], [])
    assert "nobody" in answer.json()["note"]
    coco = raw(service, blank, detect="hog", accept="application/vnd.coco+json").json()
    assert (len(coco["images"]), coco["annotations"]) == (1, [])
    with np.load(io.BytesIO(raw(service, blank, detect="hog", accept="application/x-npz").content)) as archive:
        assert archive["people_boxes"].shape == (0, 4)
    png = raw(service, blank, detect="hog", accept="image/png")
    assert (np.asarray(Image.open(io.BytesIO(png.content))) == 128).all()


@pytest.mark.skipif(not CROWD.is_file(), reason=f"real pictures are missing: {CROWD} (PFA_TEST_DATA)")
def test_found_people_are_the_detector_s(service: Service, predictor: PosePredictor) -> None:
    photograph = read_image(CROWD.read_bytes(), max_pixels=10**7)
    found = find_people(photograph)
    answer = raw(service, CROWD.read_bytes(), detect="hog").json()
    assert len(found) >= 2
    assert [tuple(person["box"]) for person in answer["people"]] == [one.box for one in found]
    for person, one in zip(answer["people"], found, strict=True):
        assert person["score"] == pytest.approx(one.score, abs=1e-3)
        assert np.allclose(points(person), predictor(photograph, box=one.box).keypoints_px, atol=0.2)


def test_a_photograph_on_its_side_is_turned_upright(service: Service, predictor: PosePredictor) -> None:
    """EXIF orientation 6: shown turned clockwise by a quarter."""
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PICTURE).save(buffer, "WEBP", lossless=True, exif=exif)
    answer = raw(service, buffer.getvalue()).json()
    assert (answer["width_px"], answer["height_px"]) == (120, 90)
    assert np.allclose(points(answer), predictor(np.rot90(PICTURE, -1)).keypoints_px, atol=2e-2)


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({"box": ["10,20,40,60", "500,500,10,10"]}, "box_outside_image", "500, 500, 10, 10"),
        ({"box": "10,20,40,60", "detect": "hog"}, "request_invalid", "not both"),
        ({"box": ";".join(["1,1,9,9"] * 17)}, "request_invalid", "16"),
        ({"box": "10,20,40,60;1,2"}, "request_invalid", "box"),
        ({"detect": "yolo"}, "request_invalid", "hog"),
    ],
)
def test_what_cannot_be_is_told(service: Service, model: ModelVersion, params: Any, code: str, says: str) -> None:
    answer = raw(service, **params)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert says in answer.json()["detail"]


def test_many_images_each_have_an_answer_or_a_problem(service: Service, predictor: PosePredictor) -> None:
    images = [media.picture(seed=seed) for seed in range(20)]
    files = [("files", (f"{n}.png", media.encoded(image))) for n, image in enumerate(images)]
    files[3:3] = [("files", ("text.png", b"no image"))]
    answer = ask(service, files=files, data={"box": "5,5,60,80"})
    items = answer.json()["items"]
    assert [item["file"] for item in items] == [name for _, (name, _) in files]
    bad = items.pop(3)
    assert (bad["pose"], bad["problem"]["status"], bad["problem"]["code"]) == (None, 422, "image_unreadable")
    for item, image in zip(items, images, strict=True):
        assert item["problem"] is None
        assert np.allclose(points(item["pose"]), predictor(image, box=(5, 5, 60, 80)).keypoints_px, atol=2e-2)
    coco = ask(service, files=files, headers={"Accept": "application/vnd.coco+json"}).json()
    assert [image["file_name"] for image in coco["images"]] == [f"{n}.png" for n in range(20)]
    assert [one["image_id"] for one in coco["annotations"]] == list(range(1, 21))


def test_the_client_asks_for_all_of_it(service: Service, client: Client, tmp_path: Path, model: ModelVersion) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.png").write_bytes(b"no image")
    good, bad = client.predict_poses([tmp_path / "a.png", tmp_path / "b.png"], model="people-poser", boxes=BOXES)
    assert good.pose is not None
    assert [person.box for person in good.pose.people] == BOXES
    assert good.pose.keypoints == good.pose.people[0].keypoints
    assert bad.problem is not None
    assert (bad.file, bad.pose, bad.problem["code"]) == ("b.png", None, "image_unreadable")
    clip = media.clip(tmp_path / "clip.mp4")
    job = client.predict_video(clip, task="pose", model="people-poser", detect="hog")
    assert (job.kind, job.spec["config"]) == ("predict", {"detect": "hog"})
    client.cancel(job.id)
    client.delete_dataset(job.spec["dataset"])


def test_many_images_are_bounded_and_have_no_drawing(service: Service, model: ModelVersion) -> None:
    files = [("files", (f"{n}.png", PNG)) for n in range(33)]
    answer = ask(service, files=files)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    answer = ask(service, files=files[:2], headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    answer = ask(service, files=[*files[:1], ("file", ("a.png", PNG))])
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert ask(service, files=[("files", ("bad.png", b"no"))]).json()["items"][0]["problem"]["status"] == 422


def test_images_of_one_call_share_their_batches(service: Service, model: ModelVersion) -> None:
    """Twenty images are two forward passes, not twenty."""

    def passes() -> tuple[float, float]:
        with service.http() as http:
            lines = http.get("/metrics").text.splitlines()
        values = {line.split()[0]: float(line.split()[1]) for line in lines if "batch_rows_" in line and line[0] != "#"}
        names = [name for name in values if name.split("{")[0].endswith(("_count", "_sum"))]
        count = sum(values[name] for name in names if name.split("{")[0].endswith("_count"))
        return count, sum(values[name] for name in names) - count

    before = passes()
    files = [("files", (f"{n}.png", PNG)) for n in range(20)]
    assert ask(service, files=files).status_code == httpx.codes.OK
    after = passes()
    assert (after[0] - before[0], after[1] - before[1]) == (2, 20)
