"""Uploaded videos, images and the data sets made of them."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pfa_core.errors import (
    DatasetUnsuitable,
    ImageTooLarge,
    ImageUnreadable,
    PfaError,
    VideoTooLarge,
    VideoUnreadable,
    VideoUnsupported,
)
from pfa_core.images import write_jpeg, write_png
from pfa_store.datasets import ImageItem, VideoItem
from pfa_store.errors import DatasetNotFound, DiskFull, InUse, NameTaken, StoreUnavailable, VideoNotFound
from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec, FlowSpec, TablesSpec
from pfa_store.store import Store
from pfa_store.videos import Video
from tests.integration.clips import moving_clip

CLIP = moving_clip(num_frames=5)
PICTURE = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)


@pytest.fixture
def video(store: Store) -> Video:
    return store.videos.add(io.BytesIO(CLIP), filename="gym/warm-up.mp4", key_id="key_1")[0]


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_video_is_kept_and_described(store: Store, video: Video) -> None:
    assert (video.filename, video.container, video.num_frames) == ("warm-up.mp4", "mp4", 5)
    assert (video.width_px, video.height_px, video.num_bytes, video.key_id) == (80, 64, len(CLIP), "key_1")
    assert store.videos.get(video.id) == video
    assert store.videos.path(video).read_bytes() == CLIP
    assert store.videos.list().items == (video,)


def test_the_same_bytes_are_the_same_video(store: Store, video: Video, tmp_path: Path) -> None:
    (tmp_path / "copy.mp4").write_bytes(CLIP)
    assert store.videos.add(tmp_path / "copy.mp4", filename="copy.mp4") == (video, False)

    def chunks() -> Iterator[bytes]:
        yield CLIP[:1000]
        yield CLIP[1000:]

    assert store.videos.add(chunks(), filename="copy.mp4") == (video, False)
    assert len(files_under(store.files.root / "videos")) == 1


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", (VideoUnsupported, VideoUnreadable)),
        (b"hello", (VideoUnsupported,)),
        (b"RIFF\0\0\0\0AVI LIST", (VideoUnreadable,)),
        (CLIP[: len(CLIP) // 3], (VideoUnreadable,)),
    ],
)
def test_what_is_refused_leaves_nothing(store: Store, content: bytes, error: tuple[type[PfaError], ...]) -> None:
    with pytest.raises(error):
        store.videos.add(io.BytesIO(content), filename="x.mp4")
    assert store.videos.list().items == ()
    assert files_under(store.files.root / "videos") + files_under(store.files.root / "tmp") == []


def test_an_upload_is_cut_off_at_the_limit(settings: Settings) -> None:
    store = Store.open(settings.model_copy(update={"max_video_bytes": 3000}))
    read = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield b"\0" * 1000

    with pytest.raises(VideoTooLarge):
        store.videos.add(endless(), filename="x.mp4")
    assert len(read) == 4
    assert files_under(store.files.root / "tmp") == []
    store.close()


def test_a_short_disk_is_told_before_it_is_full(settings: Settings) -> None:
    store = Store.open(settings.model_copy(update={"min_free_bytes": 2**62}))
    with pytest.raises(DiskFull):
        store.videos.add(io.BytesIO(CLIP), filename="x.mp4")
    with pytest.raises(DiskFull):
        store.images.add(write_png(PICTURE))
    assert files_under(store.files.root / "tmp") == []
    store.close()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("../../etc/passwd", "passwd"), ("C:\\a\\b.mp4", "b.mp4"), ("a\0\nb", "ab"), ("", "unnamed"), ("/", "unnamed")],
)
def test_file_names_are_harmless(store: Store, sent: str, kept: str) -> None:
    assert store.videos.add(io.BytesIO(CLIP), filename=sent)[0].filename == kept


def test_a_video_goes_with_its_packs(store: Store, video: Video) -> None:
    store.files.pack(video.sha256, "key").mkdir(parents=True)
    store.videos.delete(video.id)
    assert not store.videos.path(video).exists()
    assert not store.files.packs_of(video.sha256).exists()
    with pytest.raises(VideoNotFound):
        store.videos.get(video.id)
    with pytest.raises(VideoNotFound):
        store.videos.delete(video.id)


def test_a_video_that_is_needed_is_not_deleted(store: Store, video: Video) -> None:
    job = store.jobs.add("flow", FlowSpec(videos=[video.id]))
    with pytest.raises(InUse):
        store.videos.delete(video.id)
    store.jobs.request_cancel(job.id)
    store.datasets.create_from_videos("gym", [VideoItem(video_id=video.id)])
    with pytest.raises(InUse):
        store.videos.delete(video.id)
    for spec in (FlowSpec(dataset="gym"), TablesSpec(action=["gym"]), TablesSpec(pose=["gym"])):
        job = store.jobs.add("flow", spec)
        with pytest.raises(InUse, match=job.id):
            store.datasets.delete("gym")
        store.jobs.request_cancel(job.id)
    store.datasets.delete("gym")
    store.videos.delete(video.id)


def test_a_data_set_of_videos_reads_back(store: Store, video: Video) -> None:
    item = VideoItem(video_id=video.id, label="squat", group="anna", split="test")
    made = store.datasets.create_from_videos("gym", [item, VideoItem(video_id=video.id)], key_id="key_1")
    assert (made.kind, made.num_items, made.joint_names, made.key_id) == ("videos", 2, None, "key_1")
    assert store.datasets.get("gym") == store.datasets.get(made.id) == made
    first, second = store.datasets.items("gym")
    assert (first.video_id, first.file, first.label, first.group, first.split) == (
        video.id, "warm-up.mp4", "squat", "anna", "test",
    )  # fmt: skip
    assert (second.position, second.label, second.split) == (1, None, None)
    assert store.datasets.list().items == (made,)


def test_names_of_data_sets_are_taken_once(store: Store, video: Video) -> None:
    store.datasets.create_from_videos("gym", [VideoItem(video_id=video.id)])
    with pytest.raises(NameTaken):
        store.datasets.create_from_videos("gym", [VideoItem(video_id=video.id)])
    assert len(store.datasets.list().items) == 1


def test_a_data_set_needs_items_that_exist(store: Store) -> None:
    with pytest.raises(VideoNotFound):
        store.datasets.create_from_videos("gym", [VideoItem(video_id="vid_none")])
    with pytest.raises(DatasetUnsuitable):
        store.datasets.create_from_videos("gym", [])
    with pytest.raises(DatasetUnsuitable):
        store.datasets.create_from_images("gym", None, [ImageItem(file="a", image_sha256="0" * 64)])
    with pytest.raises(DatasetNotFound):
        store.datasets.get("gym")
    with pytest.raises(DatasetNotFound):
        store.datasets.items("gym")


def test_images_are_checked_and_kept_once(store: Store) -> None:
    image = store.images.add(write_jpeg(PICTURE))
    assert (image.width_px, image.height_px, image.path.suffix) == (32, 24, ".jpg")
    assert store.images.add(write_jpeg(PICTURE)) == image
    assert store.images.path(image.sha256) == image.path
    assert store.images.find("0" * 64) is None
    with pytest.raises(StoreUnavailable):
        store.images.path("0" * 64)
    with pytest.raises(ImageUnreadable):
        store.images.add(b"not an image")
    assert files_under(store.files.root / "images") == [image.path]


def test_an_image_over_the_limit_is_refused(settings: Settings) -> None:
    store = Store.open(settings.model_copy(update={"max_image_pixels": 24 * 32 - 1}))
    with pytest.raises(ImageTooLarge):
        store.images.add(write_png(PICTURE))
    store.close()


def test_a_data_set_of_images_keeps_people_and_takes_its_images_along(store: Store) -> None:
    own, shared = store.images.add(write_png(PICTURE)), store.images.add(write_png(255 - PICTURE))
    person = {"joints": {"nose": [3.0, 4.5, 2]}, "torso_box": [1, 2, 3, 4], "person_box": None}
    store.datasets.create_from_images(
        "lsp", ["nose"],
        [ImageItem(file="a.png", image_sha256=own.sha256, person=person),
         ImageItem(file="b.png", image_sha256=shared.sha256, split="val")],
    )  # fmt: skip
    store.datasets.create_from_images("other", None, [ImageItem(file="b.png", image_sha256=shared.sha256)])
    assert store.datasets.get("lsp").joint_names == ("nose",)
    assert [item.person for item in store.datasets.items("lsp")] == [person, None]
    store.datasets.delete("lsp")
    assert not own.path.exists()
    assert shared.path.exists()


def test_a_data_set_that_is_needed_is_not_deleted(store: Store, video: Video) -> None:
    made = store.datasets.create_from_videos("gym", [VideoItem(video_id=video.id)])
    for name in ("gym", made.id):
        job = store.jobs.add("evaluate", EvaluateSpec(dataset=name, model="m"))
        with pytest.raises(InUse):
            store.datasets.delete("gym")
        store.jobs.request_cancel(job.id)
    store.datasets.delete("gym")
    with pytest.raises(DatasetNotFound):
        store.datasets.delete("gym")
