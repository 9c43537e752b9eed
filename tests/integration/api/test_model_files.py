"""Models leave and come back through the real service, and show their closest pairs."""

import io
import zipfile
from pathlib import Path

import httpx
import onnxruntime
import pytest
from PIL import Image

from pfa_client import Client, ProblemError
from pfa_core.predict import PosePredictor
from pfa_store.keys import SCOPES
from tests.integration.api import media
from tests.integration.api.service import CROP_PX, Service
from tests.integration.api.test_retrieve import fill


def test_an_exported_model_comes_back_and_answers_alike(
    service: Service, client: Client, tmp_path: Path, name: str
) -> None:
    service.publish(name, "pose", seed=4, norm="lrn")
    picture = media.encoded(media.picture())
    before = client.predict_pose(picture, model=f"{name}@1")
    for number, form in enumerate(("folder", "safetensors"), start=2):
        file = tmp_path / f"model.{form}"
        file.write_bytes(client.export_model(name, 1, form="folder" if form == "folder" else "safetensors"))
        made = client.import_model(file, name)
        assert (made.ref, made.kind) == (f"{name}@{number}", "pose")
        after = client.predict_pose(picture, model=made.ref)
        assert [point.x_px for point in after.keypoints] == pytest.approx(
            [point.x_px for point in before.keypoints], abs=1e-3
        )
    assert client.model_version(name, 2).lineage["seed"] == 4
    assert client.model_version(name, 3).lineage["objective"] == "imported"
    assert list((service.store.files.root / "tmp").glob("export-*")) == []


def test_an_onnx_file_runs_without_us(client: Client, service: Service, name: str) -> None:
    service.publish(name, "pose", seed=4)
    session = onnxruntime.InferenceSession(client.export_model(name, 1, form="onnx"))
    (images,) = session.get_inputs()
    assert (images.name, images.type, images.shape[1:]) == ("images", "tensor(uint8)", [3, CROP_PX, CROP_PX])


def test_an_exported_folder_runs_without_a_service(client: Client, service: Service, tmp_path: Path, name: str) -> None:
    service.publish(name, "pose", seed=4)
    zipfile.ZipFile(io.BytesIO(client.export_model(name, 1, form="folder"))).extractall(tmp_path)
    assert PosePredictor.load(tmp_path, device="cpu")(media.picture()).keypoints_px.shape == (9, 2)


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "model_unreadable"), (b"\x80\x04K\x01.", "model_unreadable"), (b"PK\x03\x04 cut", "archive_invalid")],
    ids=["empty", "pickle", "cut archive"],
)
def test_what_is_no_model_is_refused(client: Client, tmp_path: Path, name: str, *, content: bytes, code: str) -> None:
    (tmp_path / "model.bin").write_bytes(content)
    with pytest.raises(ProblemError) as refused:
        client.import_model(tmp_path / "model.bin", name)
    assert (refused.value.status, refused.value.code) == (422, code)
    with pytest.raises(ProblemError, match="no model"):
        client.model(name)


def test_an_archive_that_is_no_model_says_what_is_missing(client: Client, tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("notes.txt", "no model")
    with pytest.raises(ProblemError, match=r"manifest\.json") as refused:
        client.import_model(tmp_path / "other.zip", name)
    assert (refused.value.status, refused.value.code) == (422, "model_unreadable")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"channels": "XYZ"}, "request_invalid"),
        ({"mean": "1,2"}, "config_invalid"),
        ({"std": "0,0,0"}, "config_invalid"),
    ],
)
def test_odd_fields_are_named(client: Client, tmp_path: Path, name: str, *, fields: dict[str, str], code: str) -> None:
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ProblemError) as refused:
        client.import_model(tmp_path / "model.bin", name, presented=fields)
    assert (refused.value.status, refused.value.code) == (422, code)


def test_importing_takes_the_scope_jobs(service: Service, tmp_path: Path, name: str) -> None:
    _, secret = service.store.keys.create("reader", set(SCOPES) - {"jobs", "admin"})
    (tmp_path / "model.bin").write_bytes(b"x")
    with service.client(secret) as reader, pytest.raises(ProblemError) as refused:
        reader.import_model(tmp_path / "model.bin", name)
    assert refused.value.status == httpx.codes.FORBIDDEN


def test_an_unknown_form_or_model_cannot_be_exported(service: Service, name: str) -> None:
    service.publish(name, "pose")
    with service.http() as http:
        odd = http.post(f"/models/{name}/versions/1/export", json={"format": "pickle"})
        none = http.post(f"/models/{name}/versions/7/export", json={"format": "onnx"})
    assert (odd.status_code, odd.json()["code"]) == (422, "request_invalid")
    assert (none.status_code, none.json()["code"]) == (404, "model_not_found")


def test_closest_pairs_come_from_a_collection(service: Service, client: Client, name: str) -> None:
    service.publish(name, "triplet")
    with pytest.raises(ProblemError, match="POST /jobs/index") as refused:
        client.pairs(name, 1)
    assert (refused.value.status, refused.value.code) == (404, "pairs_not_found")
    fill(service, name, f"{name}@1", 1)
    with pytest.raises(ProblemError) as alone:
        client.pairs(name, 1)
    assert alone.value.code == "pairs_not_found"
    fill(service, name, f"{name}@1", 4)
    assert min(Image.open(io.BytesIO(client.pairs(name, 1))).size) > 128
