"""Predictions over HTTP equal those of the library, in every format; bad input gets a clear problem."""

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pfa_client import Client, ProblemError
from pfa_core.clip_sample import read_sample
from pfa_core.clips import LabelledClip
from pfa_core.predict import ActionPredictor, FeatureExtractor, PosePredictor
from pfa_core.skeleton import FLIC
from pfa_core.video.limits import DecodeLimits
from pfa_store.models import ModelVersion
from tests.integration.api import media
from tests.integration.api.service import LABELS, LONG_S, Service

PICTURE = media.picture(size=(120, 90))
PNG = media.encoded(PICTURE)
BOX = (10.0, 20.0, 40.0, 60.0)


@dataclass(frozen=True)
class Models:
    pose: ModelVersion
    action: ModelVersion
    triplet: ModelVersion


@pytest.fixture(scope="module")
def models(service: Service) -> Models:
    return Models(
        pose=service.publish("poser", "pose"),
        action=service.publish("actor", "action"),
        triplet=service.publish("pretrained", "triplet"),
    )


def ask(service: Service, path: str, **request: Any) -> httpx.Response:  # httpx's arguments
    with service.http() as http:
        return http.post(path, **request)


def npz(response: httpx.Response) -> Mapping[str, np.ndarray[Any, Any]]:
    with np.load(io.BytesIO(response.content), allow_pickle=False) as archive:
        return dict(archive)


def test_the_pose_is_the_library_s(service: Service, client: Client, models: Models) -> None:
    expected = PosePredictor.load(service.store.models.folder(models.pose))(PICTURE, box=BOX)
    found = client.predict_pose(PNG, model="poser", box=BOX, heatmaps=True)
    assert (found.model, found.width_px, found.height_px, found.box) == ("poser@1", 90, 120, BOX)
    assert [keypoint.joint for keypoint in found.keypoints] == list(FLIC.names)
    points = [(keypoint.x_px, keypoint.y_px) for keypoint in found.keypoints]
    assert np.allclose(points, expected.keypoints_px, atol=2e-3)
    assert np.allclose([keypoint.score for keypoint in found.keypoints], expected.scores, atol=1e-4)
    assert found.heatmaps is not None
    assert np.allclose(found.heatmaps["values"], expected.heatmaps, atol=1e-3)
    assert np.allclose(found.heatmaps["cells_to_image"], expected.cells_to_image)


def test_form_query_and_raw_body_ask_the_same(service: Service, models: Models, tmp_path: Path) -> None:
    params = {"model": "poser", "box": "10,20,40,60"}
    raw = ask(service, "/predict/pose", params=params, content=PNG, headers={"Content-Type": "image/png"})
    query = ask(service, "/predict/pose", params=params, files={"file": ("a.png", PNG)})
    form = ask(service, "/predict/pose", data=params, files={"file": ("a.png", PNG)})
    assert raw.status_code == httpx.codes.OK
    assert raw.json() == query.json() == form.json()
    assert {part.split(";")[0] for part in raw.headers["server-timing"].split(", ")} == {"decode", "queue", "model"}


def test_a_numpy_archive_holds_everything(service: Service, models: Models) -> None:
    expected = PosePredictor.load(service.store.models.folder(models.pose))(PICTURE)
    headers = {"Accept": "application/x-npz", "Content-Type": "image/png"}
    found = npz(ask(service, "/predict/pose", params={"model": "poser"}, content=PNG, headers=headers))
    assert list(found["joints"]) == list(FLIC.names)
    assert np.allclose(found["keypoints_px"], expected.keypoints_px, atol=1e-2)
    assert np.allclose(found["heatmaps"], expected.heatmaps, atol=1e-4)
    assert np.allclose(found["cells_to_image"], expected.cells_to_image)


@pytest.mark.parametrize("by", [{"params": {"format": "coco"}}, {"headers": {"Accept": "application/vnd.coco+json"}}])
def test_coco_json_is_a_keypoints_document(service: Service, models: Models, by: Any) -> None:  # httpx's arguments
    answer = ask(service, "/predict/pose", files={"file": ("a.png", PNG)}, data={"model": "poser"}, **by)
    assert answer.headers["content-type"] == "application/vnd.coco+json"
    document = answer.json()
    category, annotation, image = document["categories"][0], document["annotations"][0], document["images"][0]
    assert category["keypoints"] == list(FLIC.names)
    assert len(annotation["keypoints"]) == 3 * len(FLIC)
    assert (annotation["image_id"], annotation["category_id"]) == (image["id"], category["id"])
    limbs = [(category["keypoints"][start - 1], category["keypoints"][end - 1]) for start, end in category["skeleton"]]
    assert ("left_shoulder", "left_elbow") in limbs
    assert annotation["keypoints"][2::3] == [2] * len(FLIC)  # the model has no thresholds


def test_a_model_with_thresholds_tells_which_joints_are_visible(service: Service, client: Client, name: str) -> None:
    plain = service.publish(name, "pose")
    scores = PosePredictor.load(service.store.models.folder(plain))(PICTURE).scores
    seen = [k % 3 != 0 for k in range(len(FLIC))]
    thresholds = [float(score) - (0.02 if shown else -0.02) for score, shown in zip(scores, seen, strict=True)]
    service.publish(name, "pose", visible_from=thresholds)
    assert [keypoint.visible for keypoint in client.predict_pose(PNG, model=f"{name}@1").keypoints] == [None] * 9
    assert [keypoint.visible for keypoint in client.predict_pose(PNG, model=f"{name}@2").keypoints] == seen
    params = {"model": f"{name}@2"}
    headers = {"Content-Type": "image/png"}
    accept = {"Accept": "application/vnd.coco+json"}
    coco = ask(service, "/predict/pose", headers={**headers, **accept}, params=params, content=PNG).json()
    assert coco["annotations"][0]["keypoints"][2::3] == [2 if shown else 1 for shown in seen]
    accept = {"Accept": "application/x-npz"}
    archive = npz(ask(service, "/predict/pose", headers={**headers, **accept}, params=params, content=PNG))
    assert archive["visible"].tolist() == seen


def test_the_overlay_is_the_image_with_something_drawn_on_it(client: Client, models: Models) -> None:
    drawn = np.asarray(Image.open(io.BytesIO(client.predict_pose_overlay(PNG, model="poser"))))
    assert drawn.shape == PICTURE.shape
    assert not np.array_equal(drawn, PICTURE)


def test_jpeg_and_webp_are_images_too(client: Client, models: Models, tmp_path: Path) -> None:
    for kind in ("JPEG", "WEBP"):
        path = tmp_path / f"a.{kind.lower()}"
        path.write_bytes(media.encoded(PICTURE, kind))
        assert client.predict_pose(path, model="poser").width_px == 90


def test_the_action_in_an_image_is_the_library_s(service: Service, client: Client, models: Models) -> None:
    expected = ActionPredictor.load(service.store.models.folder(models.action))(PICTURE)
    found = client.predict_action(PNG, model="actor")
    assert found.num_frames == 1
    assert [label for label, _ in found.labels] == [label for label, _ in expected.ranked]
    assert np.allclose([p for _, p in found.labels], [p for _, p in expected.ranked], atol=1e-5)


def test_the_action_in_a_clip(client: Client, models: Models, clips: dict[str, Path]) -> None:
    found = client.predict_action(clips["one"], model="actor")
    assert found.num_frames == 3
    assert {label for label, _ in found.labels} == set(LABELS)
    assert sum(p for _, p in found.labels) == pytest.approx(1, abs=1e-5)
    assert client.predict_action(clips["one"].read_bytes(), model="actor@1").labels == found.labels


def test_two_streams_look_at_the_motion_of_a_clip_that_is_long_enough(
    service: Service, client: Client, clips: dict[str, Path]
) -> None:
    """Some six frames: the clip of 30 has its motion looked at, the one of five and an image do not."""
    model = service.publish("two-streams", "action", two_stream=True)
    predictor = ActionPredictor.load(service.store.models.folder(model))
    clip = LabelledClip(name="one", label="", path=clips["one"])
    expected = predictor(read_sample(clip, predictor.settings, limits=DecodeLimits()))
    found = client.predict_action(clips["one"], model="two-streams")
    assert (found.num_frames, found.streams) == (3, ("appearance", "motion"))
    assert [label for label, _ in found.labels] == [label for label, _ in expected.ranked]
    assert np.allclose([p for _, p in found.labels], [p for _, p in expected.ranked], atol=1e-5)
    assert client.predict_action(clips["short"], model="two-streams").streams == ("appearance",)
    assert client.predict_action(PNG, model="two-streams").streams == ("appearance",)
    assert len(client.features(PNG, model="two-streams").values) == 128


@pytest.mark.parametrize("of", ["triplet", "action"])
def test_features_are_the_library_s(service: Service, client: Client, models: Models, of: str) -> None:
    model: ModelVersion = getattr(models, of)
    expected = FeatureExtractor.load(service.store.models.folder(model))(PICTURE)
    found = client.features(PNG, model=model.ref)
    assert found.model == model.ref
    assert np.allclose(found.values, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("path", "content", "params", "status", "code"),
    [
        ("/predict/pose", media.encoded(media.picture(size=(1, 1))), {"model": "poser"}, 422, "image_too_small"),
        ("/predict/pose", media.png_that_claims(30_000, 30_000), {"model": "poser"}, 413, "image_too_large"),
        ("/predict/pose", b"no image", {"model": "poser"}, 422, "image_unreadable"),
        ("/predict/pose", PNG[:300], {"model": "poser"}, 422, "image_unreadable"),
        ("/predict/pose", b"", {"model": "poser"}, 422, "request_invalid"),
        ("/predict/pose", bytes(2**20 + 1), {"model": "poser"}, 413, "payload_too_large"),
        ("/predict/pose", bytes(5 * 2**20), {"model": "poser"}, 413, "payload_too_large"),
        ("/predict/pose", PNG, {"model": "nowhere"}, 404, "model_not_found"),
        ("/predict/pose", PNG, {"model": "poser@9"}, 404, "model_not_found"),
        ("/predict/pose", PNG, {"model": "poser@no-alias"}, 404, "model_not_found"),
        ("/predict/pose", PNG, {"model": "../poser"}, 422, "request_invalid"),
        ("/predict/pose", PNG, {"model": "actor"}, 422, "model_unsuitable"),
        ("/predict/action", PNG, {"model": "poser"}, 422, "model_unsuitable"),
        ("/predict/features", PNG, {"model": "poser"}, 422, "model_unsuitable"),
        ("/predict/pose", PNG, {"model": "poser", "box": "1,2,3"}, 422, "request_invalid"),
        ("/predict/pose", PNG, {"model": "poser", "box": "a,b,c,d"}, 422, "request_invalid"),
        ("/predict/pose", PNG, {"model": "poser", "box": "nan,0,1,1"}, 422, "box_outside_image"),
        ("/predict/pose", PNG, {"model": "poser", "box": "500,500,10,10"}, 422, "box_outside_image"),
        ("/predict/pose", PNG, {"model": "poser", "modle": "x"}, 422, "request_invalid"),
        ("/predict/pose", PNG, {"model": "poser", "format": "gif"}, 422, "request_invalid"),
    ],
)
def test_bad_requests_get_a_clear_problem(
    service: Service, models: Models, *, path: str, content: bytes, params: Any, status: int, code: str
) -> None:
    answer = ask(service, path, params=params, content=content, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("clip", "status", "code"),
    [
        ("text", 415, "video_unsupported"),
        ("cut", 422, "video_unreadable"),
        ("empty", 422, "request_invalid"),
        ("long", 413, "video_too_large"),
    ],
)
def test_bad_clips_get_a_clear_problem(
    client: Client, models: Models, clips: dict[str, Path], *, clip: str, status: int, code: str
) -> None:
    with pytest.raises(ProblemError) as refused:
        client.predict_action(clips[clip], model="actor")
    assert (refused.value.status, refused.value.code) == (status, code)


def test_a_wrong_content_type_is_refused(service: Service, models: Models) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        headers = {"Content-Type": content_type}
        answer = ask(service, "/predict/pose", params={"model": "poser"}, content=PNG, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "media_unsupported")


def test_an_accept_header_that_cannot_be_satisfied_is_refused(service: Service, models: Models) -> None:
    headers = {"Accept": "text/csv", "Content-Type": "image/png"}
    answer = ask(service, "/predict/pose", params={"model": "poser"}, content=PNG, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


def test_without_a_name_the_model_in_production_answers(service: Service, client: Client, models: Models) -> None:
    service.publish("other-poser", "pose")
    unclear = ask(service, "/predict/pose", content=PNG, headers={"Content-Type": "image/png"})
    assert (unclear.status_code, unclear.json()["code"]) == (422, "request_invalid")
    assert "other-poser" in unclear.json()["detail"]
    client.set_alias("poser", "production", 1)
    clear = ask(service, "/predict/pose", content=PNG, headers={"Content-Type": "image/png"})
    assert clear.json()["model"] == "poser@1"


def test_a_moved_alias_swaps_the_model_without_a_failed_request(service: Service, client: Client, name: str) -> None:
    service.publish(name, "pose", seed=1)
    service.publish(name, "pose", seed=2)
    client.set_alias(name, "live", 1)
    before = client.predict_pose(PNG, model=f"{name}@live")
    client.set_alias(name, "live", 2)
    for _ in range(1000):
        after = client.predict_pose(PNG, model=f"{name}@live")
        if after.model != before.model:
            break
    assert (before.model, after.model) == (f"{name}@1", f"{name}@2")
    expected = PosePredictor.load(service.store.models.folder(service.store.models.resolve(f"{name}@2")))(PICTURE)
    assert np.allclose([(k.x_px, k.y_px) for k in after.keypoints], expected.keypoints_px, atol=2e-3)


def test_a_version_that_does_not_load_leaves_the_old_one(service: Service, client: Client, name: str) -> None:
    service.publish(name, "pose", seed=1)
    client.predict_pose(PNG, model=name)
    broken = service.publish(name, "pose", seed=2)
    (service.store.models.folder(broken) / "model.safetensors").write_bytes(b"damage")
    for _ in range(20):
        assert client.predict_pose(PNG, model=name).model == f"{name}@1"
    with pytest.raises(ProblemError) as refused:
        client.predict_pose(PNG, model=f"{name}@2")
    assert (refused.value.status, refused.value.code) == (500, "model_damaged")


def test_neighbours_in_a_batch_do_not_change_an_answer(service: Service, models: Models) -> None:
    async def many() -> list[Any]:
        headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "image/png"}
        async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=LONG_S) as http:
            images = [media.encoded(media.picture(seed=seed)) for seed in range(16)]
            asked = [http.post("/predict/pose", params={"model": "poser"}, content=image) for image in images]
            return [answer.json()["keypoints"] for answer in await asyncio.gather(*asked)]

    together = asyncio.run(many())
    predictor = PosePredictor.load(service.store.models.folder(models.pose))
    for seed, keypoints in enumerate(together):
        expected = predictor(media.picture(seed=seed)).keypoints_px
        assert np.allclose([(k["x_px"], k["y_px"]) for k in keypoints], expected, atol=2e-2)
