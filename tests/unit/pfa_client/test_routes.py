"""The client against the service's own OpenAPI document: every route is reached, every record has every member."""

import asyncio
import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from pfa_client import AsyncClient, Client, DownloadDamaged, ServiceUnreachable, answers, records
from pfa_client.client import Calls
from pfa_client.methods import Written
from pfa_store.settings import Settings

Json = dict[str, Any]
Operation = tuple[str, str]

LEFT_OUT: dict[Operation, str] = {
    ("OPTIONS", "/uploads"): "tells tus clients what this service speaks; ours knows",
    ("GET", "/collections/{name}/items/{item_id}"): "`items` has all of it",
    **dict.fromkeys(
        (
            (method, f"/v2{path}")
            for method, path in (
                ("GET", ""),
                ("GET", "/health/live"),
                ("GET", "/health/ready"),
                *(
                    (method, f"/models/{{model}}{version}{end}")
                    for version in ("", "/versions/{version}")
                    for method, end in (("GET", ""), ("GET", "/ready"), ("POST", "/infer"))
                ),
            )
        ),
        "for clients of the Open Inference Protocol; ours has calls that say more",
    ),
}
"""Routes that the client consciously does not have, and why."""

ARGUMENTS: dict[str, list[tuple[tuple[Any, ...], Json]]] = {
    "upload_videos": [((["FILE"],), {})],
    "upload": [(("FILE",), {}), (("FILE",), {"upload_id": "up_1"})],
    "create_dataset": [(("walks",), {"videos": ["vid_1"]})],
    "start_job": [
        ((kind,), {"dataset": "walks"}) for kind in ("flow", "pretrain", "finetune", "evaluate", "index", "tables")
    ],
    "predict_video": [(("FILE",), {"task": "pose", "model": "m"})],
    "predict_poses": [((["FILE"],), {"model": "m"})],
    "import_model": [(("FILE", "walker"), {})],
    "save_exported_model": [(("m", 1, "FOLDER"), {"form": "onnx"})],
    "export_model": [(("m", 1), {"form": "onnx"})],
    "pairs": [(("m", 1), {})],
    "thumbnail": [(("gallery", 1), {})],
    "delete_item": [(("gallery", 1), {})],
    "create_collection": [(("gallery",), {"model": "m"})],
    "retrieve": [((b"image",), {"collection": "gallery"})],
    "predict_pose": [((b"image",), {"model": "m"})],
    "predict_pose_arrays": [((b"image",), {"model": "m"})],
    "predict_pose_overlay": [((b"image",), {"model": "m"})],
    "predict_action": [((b"image",), {"model": "m"})],
    "features": [((b"image",), {"model": "m"})],
    "model_version": [(("m", 1), {})],
    "model_card": [(("m", 1), {})],
    "filters": [(("m", 1), {})],
    "model_file": [(("m", 1, "config.json"), {})],
    "download_model": [(("m", "FOLDER"), {})],
    "delete_model": [(("m", 1), {})],
    "set_alias": [(("m", "production", 1), {})],
    "delete_alias": [(("m", "production"), {})],
    "job_file": [(("job_1", "a.csv"), {})],
    "save_job_file": [(("job_1", "a.csv", "FOLDER"), {})],
    "create_webhook": [(("https://example.org",), {})],
    **{
        name: [((), {})]
        for name in (
            "videos", "datasets", "jobs", "models", "collections", "workers", "webhooks", "uploads", "live", "ready",
            "metrics",
        )
    },
}  # fmt: skip
"""What each method is called with here; those that are not named take one id."""

RECORDS = {
    "VideoRead": records.Video, "DatasetRead": records.Dataset, "DatasetItemRead": records.DatasetItem,
    "JobRead": records.Job, "ProgressRead": records.Progress, "JobEventRead": records.JobEvent,
    "JobFileRead": records.JobFile, "JobCheckpointRead": records.JobCheckpoint, "WorkerRead": records.Worker,
    "ModelVersionRead": records.ModelVersion, "ModelRead": records.Model, "AliasRead": records.Alias,
    "UploadRead": records.Upload, "CollectionRead": answers.Collection, "NeighbourRead": answers.Neighbour,
    "WebhookCreated": records.Webhook, "DeliveryRead": records.Delivery, "KeypointRead": answers.Keypoint,
    "PoseRead": answers.Pose, "ActionRead": answers.Actions, "FeaturesRead": answers.Features,
    "LeftOut": records.LeftOut, "ItemRead": answers.Item, "PersonPoseRead": answers.PersonPose,
    "ImagePoseRead": answers.ImagePose,
}  # fmt: skip
OTHERWISE = {("PoseRead", "joints"): "each keypoint names its joint"}
"""Members that a record consciously does not have, and why."""


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"))).openapi()


@pytest.fixture(scope="module")
def operations(document: Json) -> dict[Operation, re.Pattern[str]]:
    """Each operation with what its paths look like; those without parameters come first."""
    found = {
        (method.upper(), path): re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    return dict(sorted(found.items(), key=lambda entry: entry[0][1].count("{")))


def asked(request: httpx.Request, operations: dict[Operation, re.Pattern[str]]) -> Operation:
    for (method, path), pattern in operations.items():
        if method == request.method and pattern.fullmatch(request.url.path):
            return method, path
    raise AssertionError(f"the service has no {request.method} {request.url.path}")


def answer(document: Json, operation: Operation) -> httpx.Response:
    """The smallest answer that the document allows."""
    method, path = operation
    responses = document["paths"][path][method.lower()]["responses"]
    status, response = next((int(code), each) for code, each in responses.items() if code.startswith("2"))
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    headers = {"Upload-Offset": "3" if method == "PATCH" else "0"}
    return httpx.Response(status, json=example(document, schema), headers=headers)


def example(document: Json, schema: Json) -> Any:
    """A value of this schema: the first alternative, one item in every list."""
    if "$ref" in schema:
        return example(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if several := schema.get("anyOf", schema.get("oneOf")):
        return example(document, several[0])
    plain: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None, "string": "text"}
    kind = schema.get("type", "string")
    if kind == "object":
        found = {name: example(document, each) for name, each in schema.get("properties", {}).items()}
        return {**found, **({"next_cursor": None} if "next_cursor" in found else {})}
    if kind == "array":
        return [example(document, each) for each in schema.get("prefixItems", [schema.get("items", {})])]
    return schema.get("enum", [schema.get("const", plain[kind])])[0]


def uses(name: str, file: Path) -> Iterator[tuple[tuple[Any, ...], Json]]:
    given = {"FILE": str(file), "FOLDER": str(file.parent / "new")}
    for arguments, named in ARGUMENTS.get(name, [(("id_1",), {})]):
        yield tuple([given.get(each[0], each[0])] if isinstance(each, list) else given.get(each, each)
                    if isinstance(each, str) else each for each in arguments), named  # fmt: skip


def test_every_route_is_reached_and_its_answer_read(
    document: Json, operations: dict[Operation, re.Pattern[str]], tmp_path: Path
) -> None:
    reached: set[Operation] = set()

    def serve(request: httpx.Request) -> httpx.Response:
        request.read()
        operation = asked(request, operations)
        reached.add(operation)
        return answer(document, operation)

    file = tmp_path / "clip.mp4"
    file.write_bytes(b"abc")
    with Client("http://test", "key", transport=httpx.MockTransport(serve), sleep=lambda _s: None) as pfa:
        for name in (name for name in dir(Calls) if not name.startswith("_")):
            assert isinstance(getattr(Calls, name), Written)
            for arguments, named in uses(name, file):
                with contextlib.suppress(*CANNED_ANSWERS_DO_NOT_FIT.get(name, ())):
                    found = getattr(pfa, name)(*arguments, **named)
                    if isinstance(found, Iterator):
                        next(found, None)
    assert {*operations} - reached == {*LEFT_OUT}


CANNED_ANSWERS_DO_NOT_FIT: dict[str, tuple[type[Exception], ...]] = {
    "follow": (ServiceUnreachable,),  # a page, and no stream
    "predict_pose_arrays": (ValueError,),  # no npz
    "download_model": (DownloadDamaged,),  # no manifest
    "predict_poses": (KeyError,),  # the answer about one image
}
"""What these get here is not what they ask for; tests of their own have real answers."""


def test_every_route_of_the_client_is_there_in_a_loop_too() -> None:
    async def methods() -> set[str]:
        async with AsyncClient("http://test") as pfa:
            return {name for name in dir(Calls) if not name.startswith("_") and callable(getattr(pfa, name))}

    assert asyncio.run(methods()) == {name for name in dir(Calls) if not name.startswith("_")}


@pytest.mark.parametrize("schema", RECORDS)
def test_a_record_has_the_members_that_the_service_sends(document: Json, schema: str) -> None:
    sent = {name for name in document["components"]["schemas"][schema]["properties"] if (schema, name) not in OTHERWISE}
    assert {each.name for each in dataclasses.fields(RECORDS[schema])} == sent


def test_every_answer_has_a_record(document: Json) -> None:
    """A new answer of the service is a new record of the client, or is part of another and named here."""
    parts = {
        "HeatmapsRead", "LabelRead", "NeighboursRead", "VideosRead", "WebhookRead", "PosesRead", "DeletedRead",
        "FrameRead", "TrackedPersonRead", "WindowRead",
    }  # fmt: skip
    answers = {name for name in document["components"]["schemas"] if re.search(r"(Read|Created)$", name)}
    assert {name for name in answers if "PageRead" not in name} - {*RECORDS} == parts
