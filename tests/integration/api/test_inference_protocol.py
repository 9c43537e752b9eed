"""The Open Inference Protocol against the running service, as its documents say; the models called directly agree."""

import base64
import json
import struct
import subprocess
import venv
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from pfa_core.predict import FeatureExtractor, PosePredictor
from tests.integration.api import media
from tests.integration.api.service import CROP_PX, LABELS, Service
from tests.missing import missing

HEADER = "Inference-Header-Content-Length"


@pytest.fixture(scope="module")
def crops() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, CROP_PX, CROP_PX, 3), dtype=np.uint8)


def outputs_of(answer: httpx.Response) -> dict[str, NDArray[np.float32]]:
    """The tensors of an answer, each from where it says it is."""
    answer.raise_for_status()
    end = int(answer.headers.get(HEADER, len(answer.content)))
    found, place = {}, end
    for output in json.loads(answer.content[:end])["outputs"]:
        assert output["datatype"] == "FP32"
        if "data" in output:
            flat = np.array(output["data"], np.float32)
        else:
            size = output["parameters"]["binary_data_size"]
            flat = np.frombuffer(answer.content[place : place + size], "<f4")
            place += size
        found[output["name"]] = flat.reshape(output["shape"])
    assert place == len(answer.content)
    return found


def in_json(crops: NDArray[np.uint8]) -> dict[str, Any]:
    shape = list(crops.shape)
    return {"inputs": [{"name": "crops", "datatype": "UINT8", "shape": shape, "data": crops.ravel().tolist()}]}


def test_the_server_and_its_models_say_what_they_are(service: Service, name: str) -> None:
    service.publish(name, "pose")
    service.publish(name, "pose", seed=1)
    with service.http() as http:
        assert http.get("/v2/health/live").json() == {"live": True}
        assert http.get("/v2/health/ready").json() == {"ready": True}
        assert "binary_tensor_data" in http.get("/v2").json()["extensions"]
        for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/1"):
            told = http.get(path).json()
            assert (told["name"], sorted(told["versions"])) == (name, ["1", "2"])
            assert told["inputs"][0] == {"name": "crops", "datatype": "UINT8", "shape": [-1, CROP_PX, CROP_PX, 3]}
            assert [output["name"] for output in told["outputs"]] == ["heatmaps", "keypoints", "scores"]
            assert http.get(f"{path}/ready").json() == {"name": name, "ready": True}


def test_a_pose_model_answers_as_when_called_directly(service: Service, name: str, crops: NDArray[np.uint8]) -> None:
    version = service.publish(name, "pose")
    predictor = PosePredictor.load(service.store.models.folder(version))
    with service.http() as http:
        found = outputs_of(http.post(f"/v2/models/{name}/infer", json={"id": "x", **in_json(crops)}))
        told = {one["name"]: one["shape"] for one in http.get(f"/v2/models/{name}").json()["outputs"]}
    for shape, tensor in ((told[output], tensor) for output, tensor in found.items()):
        assert len(shape) == tensor.ndim
        assert all(wanted in (-1, size) for wanted, size in zip(shape, tensor.shape, strict=True))
    for row, crop in enumerate(crops):
        wanted = predictor(crop)
        np.testing.assert_allclose(found["heatmaps"][row], wanted.heatmaps, atol=1e-4)
        np.testing.assert_allclose(found["keypoints"][row], wanted.keypoints_px, atol=1e-2)
        np.testing.assert_allclose(found["scores"][row], wanted.scores, atol=1e-4)


def test_tensors_go_as_bytes_both_ways(service: Service, name: str, crops: NDArray[np.uint8]) -> None:
    service.publish(name, "action")
    shape = list(crops.shape)
    document = json.dumps({
        "inputs": [
            {"name": "crops", "datatype": "UINT8", "shape": shape, "parameters": {"binary_data_size": crops.size}}
        ],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "features"}],
    }).encode()  # fmt: skip
    headers = {HEADER: str(len(document)), "Content-Type": "application/octet-stream"}
    with service.http() as http:
        path = f"/v2/models/{name}/versions/1/infer"
        binary = outputs_of(http.post(path, content=document + crops.tobytes(), headers=headers))
        plain = outputs_of(http.post(path, json=in_json(crops)))
    assert set(binary) == set(plain) == {"probabilities", "features"}
    for output, tensor in plain.items():
        np.testing.assert_allclose(binary[output], tensor, atol=1e-6)
    assert plain["probabilities"].shape == (3, len(LABELS))
    np.testing.assert_allclose(plain["probabilities"].sum(axis=1), 1, atol=1e-5)


def test_encoded_images_give_the_features_of_predict(service: Service, name: str) -> None:
    version = service.publish(name, "triplet")
    extractor = FeatureExtractor.load(service.store.models.folder(version))
    pictures = [media.picture(seed=seed) for seed in range(2)]
    encoded = [media.encoded(picture) for picture in pictures]
    wanted = np.stack([extractor(picture) for picture in pictures])
    text = [base64.b64encode(one).decode() for one in encoded]
    tensor = {"name": "images", "datatype": "BYTES", "shape": [2]}
    binary = b"".join(struct.pack("<I", len(one)) + one for one in encoded)
    document = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(binary)}}]}).encode()
    with service.http() as http:
        path = f"/v2/models/{name}/infer"
        in_text = outputs_of(http.post(path, json={"inputs": [{**tensor, "data": text}]}))
        in_bytes = outputs_of(http.post(path, content=document + binary, headers={HEADER: str(len(document))}))
    np.testing.assert_allclose(in_text["features"], wanted, atol=1e-4)
    np.testing.assert_allclose(in_bytes["features"], wanted, atol=1e-4)


def test_refusals_say_error_as_the_protocol_wants(service: Service, name: str, crops: NDArray[np.uint8]) -> None:
    service.publish(name, "pose")
    path = f"/v2/models/{name}/infer"
    good = in_json(crops)
    with service.http() as http:
        unknown = http.post("/v2/models/nowhere/infer", json=good)
        assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")
        assert unknown.json()["error"] == unknown.json()["detail"]
        for body, headers in (
            (json.dumps({**good, "outputs": [{"name": "depth"}]}).encode(), {}),
            (json.dumps({"inputs": []}).encode(), {}),
            (b"{", {}),
            (json.dumps(good).encode(), {HEADER: "999999999"}),
            (json.dumps(good).encode(), {HEADER: "-1"}),
        ):
            refused = http.post(path, content=body, headers={"Content-Type": "application/json", **headers})
            assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid"), body[:100]
            assert refused.json()["error"]
        bad = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1], "data": ["AAAA"]}]}
        assert http.post(path, json=bad).json()["code"] == "image_unreadable"
        packed = http.post(path, content=b"x", headers={"Content-Encoding": "gzip"})
        assert packed.status_code == 415
    with service.http(None) as http:
        for public in ("/v2", "/v2/health/live", "/v2/health/ready"):
            refused = http.get(public)
            assert refused.status_code == 401


@pytest.fixture(scope="session")
def public_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the client, in an environment of its own: it pins a greenlet older than ours."""
    folder = tmp_path_factory.mktemp("public-client")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", "tritonclient[http]==2.73.0"], check=False)
    if done.returncode:
        missing("tritonclient could not be installed")
    return python


def test_a_public_client_gets_the_same_answers(
    service: Service, name: str, crops: NDArray[np.uint8], public_python: Path, tmp_path: Path
) -> None:
    predictor = PosePredictor.load(service.store.models.folder(service.publish(name, "pose")))
    np.save(tmp_path / "crops.npy", crops)
    script = Path(__file__).with_name("public_client.py")
    command: list[str | Path] = [public_python, script, service.url.removeprefix("http://"), service.key, name]
    subprocess.run([*command, tmp_path / "crops.npy", tmp_path / "answers.npz"], check=True, timeout=120)
    found = np.load(tmp_path / "answers.npz")
    for row, crop in enumerate(crops):
        np.testing.assert_allclose(found["heatmaps"][row], predictor(crop).heatmaps, atol=1e-4)
        np.testing.assert_allclose(found["keypoints"][row], predictor(crop).keypoints_px, atol=1e-2)
