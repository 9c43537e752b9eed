"""Collections and nearest poses."""

import base64
import contextlib
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pfa_client import Client, ProblemError
from pfa_core.gallery_item import GalleryItem, thumbnail
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.predict import FeatureExtractor
from pfa_core.video.decode import read_frames
from pfa_store.specs import IndexSpec
from tests.integration.api import media
from tests.integration.api.service import CROP_PX, LONG_S, Service
from tests.waiting import wait_for


def fill(service: Service, collection: str, model: str, pictures: int, *, video: str = "vid_1", **spec: Any) -> None:
    """Do what an index job does, with images of seeds 0, 1, ..., labelled `run` and `walk` in turn."""
    version = service.store.models.resolve(model)
    extractor = FeatureExtractor.load(service.store.models.folder(version))
    images = [media.picture(seed=seed) for seed in range(pictures)]
    items = [
        GalleryItem(source=video, name="walk.mp4", frame=5 * n, time_s=0.2 * n, label=("run", "walk")[n % 2])
        for n in range(pictures)
    ]
    asked = IndexSpec(dataset="d", collection=collection, model=model, **spec)
    job = service.store.jobs.claim(service.store.jobs.add("index", asked).id, "a worker")
    assert job is not None
    service.store.collections.begin(collection, model=version.ref, job=job, replace=asked.replace)
    scratch = service.store.files.root / "tmp" / job.id
    with SegmentWriter(scratch, num_features=extractor.num_features) as writer:
        writer.add(np.stack([extractor(image) for image in images]), items, [thumbnail(image) for image in images])
        service.store.collections.publish(
            writer, collection, job, model=version.ref, dataset_id=None, num_features=extractor.num_features,
            replace=asked.replace,
        )  # fmt: skip
    service.store.jobs.succeed(job, {})


def refused(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ProblemError) as problem:
        call()
    return problem.value.status, problem.value.code


def test_the_nearest_pose_of_an_image_is_itself(service: Service, client: Client, name: str) -> None:
    service.publish(name, "triplet")
    made = client.create_collection(name, model=name)
    assert (made.status, made.model, made.num_items) == ("empty", f"{name}@1", 0)
    image = media.encoded(media.picture(seed=2))
    assert refused(lambda: client.retrieve(image, collection=name)) == (409, "collection_not_ready")

    fill(service, name, name, 4)
    assert client.collection(name).num_items == 4
    found = client.retrieve(image, collection=name, k=3)
    assert len(found) == 3
    assert (found[0].id, found[0].frame, found[0].name, found[0].label) == (2, 10, "walk.mp4", "run")
    assert found[0].time_s == pytest.approx(0.4)
    assert found[0].distance == pytest.approx(0, abs=1e-3)
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert found[0].thumbnail is not None
    jpeg = base64.b64decode(found[0].thumbnail.removeprefix("data:image/jpeg;base64,"))
    assert max(Image.open(io.BytesIO(jpeg)).size) <= 96
    assert client.thumbnail(name, 2) == jpeg
    with service.http() as http:
        assert http.get(found[0].thumbnail_url).content == jpeg

    fill(service, name, name, 2, replace=True)
    assert len(client.retrieve(image, collection=name, k=10)) == 2
    client.delete_collection(name)
    assert refused(lambda: client.collection(name)) == (404, "collection_not_found")
    client.create_collection(name, model=name)
    fill(service, name, name, 3)
    assert [item.id for item in client.items(name)] == [0, 1, 2]  # a new collection, whatever was open before


def test_it_is_asked_by_item_by_feature_and_by_frame(
    service: Service, client: Client, name: str, upload: Callable[..., list[str]]
) -> None:
    service.publish(name, "triplet")
    fill(service, name, name, 4)
    by_item = client.retrieve(collection=name, item=1, k=4)
    assert (by_item[0].id, by_item[0].distance) == (1, 0)
    feature = client.features(media.encoded(media.picture(seed=1)), model=name).values
    by_feature = client.retrieve(collection=name, feature=feature, k=4, thumbnails=False)
    assert [one.id for one in by_feature] == [one.id for one in by_item]
    assert by_feature[0].thumbnail is None

    (video,) = upload("one")
    by_frame = client.retrieve(collection=name, video=video, frame=5, k=4)
    fps = next(one.fps for one in client.videos() if one.id == video)
    assert client.retrieve(collection=name, video=video, time_s=5.3 / fps, k=4) == by_frame
    version = service.store.models.resolve(name)
    extractor = FeatureExtractor.load(service.store.models.folder(version))
    stored = service.store.videos.get(video)
    frames = read_frames(
        service.store.videos.path(stored), limits=service.store.videos.limits, short_side_px=CROP_PX, indices=[5]
    )
    with contextlib.closing(frames):
        wanted = extractor(next(frames))
    same = client.retrieve(collection=name, feature=wanted.tolist(), k=4)
    assert [one.id for one in same] == [one.id for one in by_frame]
    assert [one.distance for one in same] == pytest.approx([one.distance for one in by_frame], abs=1e-4)


def test_filters_and_pages(service: Service, client: Client, name: str) -> None:
    service.publish(name, "triplet")
    fill(service, name, name, 4)
    fill(service, name, name, 3, video="vid_2")
    image = media.encoded(media.picture(seed=1))
    assert [one.id for one in client.retrieve(image, collection=name, k=2)] == [1, 5]  # equally far: by id
    assert client.retrieve(image, collection=name, k=1, sources=["vid_2"])[0].id == 5
    walks = client.retrieve(image, collection=name, k=100, labels=["walk"])
    assert sorted(one.id for one in walks) == [1, 3, 5]
    assert client.retrieve(collection=name, item=0, labels=["swim"]) == []
    with service.http() as http:
        first = http.get(f"/collections/{name}/items", params={"limit": 2, "labels": "run,swim"}).json()
        assert [item["id"] for item in first["items"]] == [0, 2]
        path = f"/collections/{name}/items"
        rest = http.get(path, params={"limit": 2, "labels": "run,swim", "cursor": first["next_cursor"]}).json()
        assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([4, 6], None)
        assert http.get(f"{path}/5").json() == http.get(path, params={"cursor": 4, "limit": 1}).json()["items"][0]
    assert [item.id for item in client.items(name, sources=["vid_2"])] == [4, 5, 6]


def test_items_are_deleted(service: Service, client: Client, name: str) -> None:
    service.publish(name, "triplet")
    fill(service, name, name, 4)
    fill(service, name, name, 3, video="vid_2")
    image = media.encoded(media.picture(seed=1))
    client.delete_item(name, 1)
    assert client.retrieve(image, collection=name, k=1)[0].id == 5
    assert client.delete_items(name, sources=["vid_2"], labels=["walk"]) == 1
    assert [item.id for item in client.items(name)] == [0, 2, 3, 4, 6]
    assert client.collection(name).num_items == 5
    for call in (client.delete_item, client.thumbnail):
        assert refused(partial(call, name, 1)) == (404, "item_not_found")
    assert refused(lambda: client.retrieve(collection=name, item=1)) == (404, "item_not_found")
    with service.http() as http:
        assert http.get(f"/collections/{name}/items/1").status_code == 404
        assert http.delete(f"/collections/{name}/items").status_code == 422
    assert client.delete_items(name, sources=["vid_1", "vid_2"]) == 5
    assert refused(lambda: client.retrieve(image, collection=name)) == (409, "collection_not_ready")


BAD_QUERIES: tuple[dict[str, Any], ...] = (
    {},
    {"item": 1, "feature": [1.0]},
    {"frame": 3},
    {"video": "v"},
    {"video": "v", "frame": 1, "time_s": 0.5},
    {"item": 1, "box": [0, 0, 9, 9]},
    {"feature": []},
    {"item": -1},
    {"item": 1, "k": 0},
    {"item": 1, "colour": "red"},
)


def test_queries_that_say_nothing_clear_are_refused(
    service: Service, client: Client, name: str, upload: Callable[..., list[str]]
) -> None:
    service.publish(name, "triplet")
    fill(service, name, name, 2)
    with service.http() as http:
        for query in BAD_QUERIES:
            answer = http.post("/retrieve/pose", json={"collection": name, **query})
            assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid"), query
    assert refused(lambda: client.retrieve(collection=name, feature=[1.0, 2.0])) == (422, "model_unsuitable")
    assert refused(lambda: client.retrieve(collection=name, video="nowhere", frame=0)) == (404, "video_not_found")
    (video,) = upload("one")
    assert refused(lambda: client.retrieve(collection=name, video=video, frame=10**6)) == (422, "request_invalid")
    assert refused(lambda: client.retrieve(collection=name, video=video, time_s=1e4)) == (422, "request_invalid")


def test_damage_is_told(service: Service, client: Client, name: str) -> None:
    service.publish(name, "triplet")
    fill(service, name, name, 3)
    folder = service.store.collections.folder(service.store.collections.get(name))
    assert folder is not None
    (segment,) = (folder / "segments").iterdir()
    features = segment / "features.f32"
    content = features.read_bytes()
    features.write_bytes(content[:-4])
    assert refused(lambda: client.retrieve(collection=name, item=0)) == (500, "index_damaged")
    features.write_bytes(content[:-4] + b"\x00\x00\x80\x7f")

    def told() -> bool:  # large files are checked beside the requests
        try:
            client.retrieve(collection=name, item=0)
        except ProblemError as problem:
            return problem.code == "index_damaged"
        return False

    wait_for(told, timeout_s=LONG_S)


def test_what_cannot_be_is_refused(service: Service, client: Client, name: str) -> None:
    service.publish(name, "pose")
    with pytest.raises(ProblemError) as unsuitable:
        client.create_collection(name, model=name)
    assert (unsuitable.value.status, unsuitable.value.code) == (422, "model_unsuitable")
    with pytest.raises(ProblemError) as unknown:
        client.create_collection(name, model="nowhere")
    assert (unknown.value.status, unknown.value.code) == (404, "model_not_found")
    with pytest.raises(ProblemError) as missing:
        client.retrieve(media.encoded(media.picture()), collection="nowhere")
    assert (missing.value.status, missing.value.code) == (404, "collection_not_found")
    with pytest.raises(ProblemError) as many:
        client.retrieve(media.encoded(media.picture()), collection="nowhere", k=0)
    assert (many.value.status, many.value.code) == (422, "request_invalid")


def test_a_taken_name_is_a_conflict(service: Service, client: Client, name: str) -> None:
    service.publish(name, "triplet")
    client.create_collection(name, model=name)
    with pytest.raises(ProblemError) as refused:
        client.create_collection(name, model=name)
    assert (refused.value.status, refused.value.code) == (409, "name_taken")
    assert name in [collection.name for collection in client.collections()]
