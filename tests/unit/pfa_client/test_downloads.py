"""Model folders on their way here."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from pfa_client import DownloadDamaged, ProblemError
from tests.unit.pfa_client.answers import Server, problem

FILES = {"model.safetensors": bytes(range(256)) * 500, "config.json": b"{}"}


def version(number: int) -> dict[str, Any]:
    return {
        "ref": f"walker@{number}", "name": "walker", "version": number, "kind": "pose", "metrics": {}, "lineage": {},
        "created": "2030-01-01T00:00:00Z", "files": [*FILES, "manifest.json"],
    }  # fmt: skip


MODEL = {"name": "walker", "versions": [version(3), version(1)], "aliases": {"production": 1}}


def server(number: int, **changed: bytes) -> Server:
    manifest = {"files": {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}}
    contents = {**FILES, **changed, "manifest.json": json.dumps(manifest).encode()}
    sent = [httpx.Response(200, content=content) for content in contents.values()]
    return Server(httpx.Response(200, json=MODEL), httpx.Response(200, json=version(number)), *sent)


@pytest.mark.parametrize(("ref", "number"), [("walker", 3), ("walker@1", 1), ("walker@production", 1)])
def test_the_folder_is_what_the_service_has(tmp_path: Path, ref: str, number: int) -> None:
    there = server(number)
    assert there.client().download_model(ref, tmp_path / "new" / "model").version == number
    assert {path.name: path.read_bytes() for path in (tmp_path / "new" / "model").iterdir()}.items() >= FILES.items()
    assert there.requests[1].url.path == f"/models/walker/versions/{number}"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model"]


def test_a_loop_writes_the_same(tmp_path: Path) -> None:
    there = server(3)

    async def download() -> None:
        async with there.async_client() as pfa:
            await pfa.download_model("walker", tmp_path / "model")

    asyncio.run(download())
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_damaged_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DownloadDamaged, match=r"config\.json"):
        server(3, **{"config.json": b"[]"}).client().download_model("walker", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_cut_leaves_nothing(tmp_path: Path) -> None:
    there = Server(httpx.Response(200, json=MODEL), httpx.Response(200, json=version(3)), problem(404))
    with pytest.raises(ProblemError, match="404"):
        there.client().download_model("walker", tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(FileExistsError):
        server(3).client().download_model("walker", tmp_path / "model")


def test_a_version_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="3, 1, production"):
        server(3).client().download_model("walker@2", tmp_path / "model")
