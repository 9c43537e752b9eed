"""Models: versions, files, aliases, figures."""

import hashlib
import io
import json

import httpx
import pytest
from PIL import Image

from pfa_client import Client, ProblemError
from tests.integration.api.service import Service


def test_versions_files_and_lineage(service: Service, client: Client, name: str) -> None:
    service.publish(name, "pose", seed=1)
    service.publish(name, "pose", seed=2)
    model = client.model(name)
    assert [version.ref for version in model.versions] == [f"{name}@2", f"{name}@1"]
    assert model in client.models()
    version = client.model_version(name, 2)
    assert (version.kind, version.metrics, version.lineage["seed"]) == ("pose", {"loss": 0.5}, 2)
    assert {"model.safetensors", "config.json", "metrics.json", "manifest.json", "README.md"} == set(version.files)
    with service.http() as http:
        manifest = json.loads(http.get(f"/models/{name}/versions/2/files/manifest.json").content)
        for file, sha256 in manifest["files"].items():
            content = http.get(f"/models/{name}/versions/2/files/{file}").content
            assert hashlib.sha256(content).hexdigest() == sha256


@pytest.mark.parametrize("file", ["nothing", "..%2F..%2F..%2Fadmin.key", "%2e%2e%2fconfig.json"])
def test_only_files_of_the_model_are_served(service: Service, name: str, file: str) -> None:
    service.publish(name, "pose")
    with service.http() as http:
        answer = http.get(f"/models/{name}/versions/1/files/{file}")
    assert answer.status_code == httpx.codes.NOT_FOUND
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_filters_are_drawn(service: Service, name: str) -> None:
    service.publish(name, "triplet")
    with service.http() as http:
        answer = http.get(f"/models/{name}/versions/1/filters.png")
    assert answer.headers["content-type"] == "image/png"
    assert min(Image.open(io.BytesIO(answer.content)).size) > 40


def test_aliases_move_and_go(service: Service, client: Client, name: str) -> None:
    service.publish(name, "pose", seed=1)
    service.publish(name, "pose", seed=2)
    client.set_alias(name, "production", 1)
    assert client.set_alias(name, "production", 2).version == 2
    assert client.model(name).aliases == {"production": 2}
    with service.http() as http:
        kept = http.delete(f"/models/{name}/versions/2")
        assert (kept.status_code, kept.json()["code"]) == (409, "in_use")
        assert http.delete(f"/models/{name}/aliases/production").status_code == httpx.codes.NO_CONTENT
        assert http.delete(f"/models/{name}/versions/2").status_code == httpx.codes.NO_CONTENT
    assert [version.version for version in client.model(name).versions] == [1]


@pytest.mark.parametrize(
    ("alias", "version", "status", "code"),
    [("live", 7, 404, "model_not_found"), ("7", 1, 422, "config_invalid"), ("live", 0, 422, "request_invalid")],
)
def test_an_alias_needs_a_version_and_a_name(
    service: Service, client: Client, name: str, *, alias: str, version: int, status: int, code: str
) -> None:
    service.publish(name, "pose")
    with pytest.raises(ProblemError) as refused:
        client.set_alias(name, alias, version)
    assert (refused.value.status, refused.value.code) == (status, code)


@pytest.mark.parametrize("path", ["/models/none", "/models/none/versions/1", "/models/none/versions/1/filters.png"])
def test_an_unknown_model_is_not_found(service: Service, path: str) -> None:
    with service.http() as http:
        answer = http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
