"""Collections and nearest poses."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pfa_client import Client, ProblemError
from pfa_core.predict import FeatureExtractor
from pfa_core.retrieval import GalleryIndex, GalleryItem, thumbnail
from tests.integration.api import media
from tests.integration.api.service import Service


def fill(service: Service, collection: str, model: str, pictures: int, folder: Path) -> None:
    """Do what an index job does, with images of seeds 0, 1, ..."""
    version = service.store.models.resolve(model)
    extractor = FeatureExtractor.load(service.store.models.folder(version))
    images = [media.picture(seed=seed) for seed in range(pictures)]
    items = [GalleryItem(source="vid_1", name="walk.mp4", frame=5 * n, time_s=0.2 * n) for n in range(pictures)]
    gallery = GalleryIndex.build(
        np.stack([extractor(image) for image in images]), items, thumbnails=[thumbnail(image) for image in images]
    )
    spec = {"dataset": "d", "collection": collection, "model": model}
    job = service.store.jobs.claim(service.store.jobs.add("index", spec).id, "a worker")
    assert job is not None
    service.store.collections.begin(collection, model=version.ref, job=job)
    gallery.save(service.store.files.root / "tmp" / collection)
    service.store.collections.publish(
        service.store.files.root / "tmp" / collection,
        collection,
        job,
        model=version.ref,
        dataset_id=None,
        num_items=len(gallery),
    )
    service.store.jobs.succeed(job, {})


def test_the_nearest_pose_of_an_image_is_itself(service: Service, client: Client, tmp_path: Path, name: str) -> None:
    service.publish(name, "triplet")
    made = client.create_collection(name, model=name)
    assert (made.status, made.model, made.num_items) == ("empty", f"{name}@1", 0)
    with pytest.raises(ProblemError) as refused:
        client.retrieve(media.encoded(media.picture()), collection=name)
    assert (refused.value.status, refused.value.code) == (409, "collection_not_ready")

    fill(service, name, name, 4, tmp_path)
    assert client.collection(name).num_items == 4
    found = client.retrieve(media.encoded(media.picture(seed=2)), collection=name, k=3)
    assert len(found) == 3
    assert (found[0].frame, found[0].name) == (10, "walk.mp4")
    assert found[0].time_s == pytest.approx(0.4)
    assert found[0].distance == pytest.approx(0, abs=1e-3)
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert found[0].thumbnail is not None
    jpeg = base64.b64decode(found[0].thumbnail.removeprefix("data:image/jpeg;base64,"))
    assert max(Image.open(io.BytesIO(jpeg)).size) <= 96

    fill(service, name, name, 2, tmp_path)
    assert len(client.retrieve(media.encoded(media.picture(seed=1)), collection=name, k=10)) == 2
    client.delete_collection(name)
    with pytest.raises(ProblemError) as gone:
        client.collection(name)
    assert (gone.value.status, gone.value.code) == (404, "collection_not_found")


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
