"""A backup of a living installation, restored into a new one, across databases."""

import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pfa.backup import back_up
from pfa.errors import BackupRefused
from pfa.restore import restore
from pfa_core.errors import PfaError
from pfa_core.gallery_item import GalleryItem, ItemFilter
from pfa_core.gallery_segment import SegmentWriter
from pfa_core.progress import Progress
from pfa_core.retrieval import GalleryIndex
from pfa_store.datasets import VideoItem
from pfa_store.settings import Settings
from pfa_store.specs import EvaluateSpec, FlowSpec, IndexSpec
from pfa_store.store import Store
from tests.integration import postgres
from tests.integration.clips import moving_clip
from tests.missing import missing
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Postgres]:
    binaries = postgres.programs()
    if binaries is None:
        missing("initdb and pg_ctl are neither on PATH nor in /usr/lib/postgresql")
    with postgres.running(binaries) as running:
        yield running


def settings(folder: Path, url: str = "") -> Settings:
    return Settings(data_dir=folder, database_url=url, min_free_bytes=0)


@pytest.fixture
def living(tmp_path: Path) -> Iterator[Store]:
    """With a video, a data set, a key, and jobs in several states, one of them with a checkpoint."""
    with_all = Store.open(settings(tmp_path / "data"))
    with_all.keys.ensure_admin()
    video, _ = with_all.videos.add(io.BytesIO(moving_clip(num_frames=8)), filename="a.mp4")
    with_all.datasets.create_from_videos("clips", [VideoItem(video_id=video.id, label="left")])
    with_all.jobs.add("flow", FlowSpec(videos=[video.id]), key_id="key_1")
    held = with_all.jobs.claim_next("flow", "worker")
    assert held is not None
    with_all.jobs.progress(held, Progress(phase="flow", step=1, total=2, metrics={"loss": 0.5}))
    checkpoints = with_all.files.job_checkpoints(held.id)
    checkpoints.mkdir(parents=True)
    (checkpoints / "step.safetensors").write_bytes(b"weights")
    cancelled = with_all.jobs.add("evaluate", EvaluateSpec(model="m"))
    with_all.jobs.request_cancel(cancelled.id)
    yield with_all
    with_all.close()


def contents(store: Store) -> dict[str, Any]:
    """All that users see of it."""
    jobs = store.jobs.list(limit=100).items
    return {
        "jobs": jobs,
        "events": {job.id: list(store.jobs.events(job.id)) for job in jobs},
        "videos": {video.id: store.videos.path(video).read_bytes() for video in store.videos.list(limit=100).items},
        "datasets": [store.datasets.items(one.id) for one in store.datasets.list().items],
        "keys": [(key.id, key.scopes) for key in store.keys.list()],
        "admin": store.files.admin_key.read_text(),
    }


def test_everything_is_there_again(living: Store, tmp_path: Path) -> None:
    before = contents(living)
    made = back_up(living.settings, tmp_path / "backup", taken_s=1.0)
    assert made.num_files == 3  # video, checkpoint, admin key
    restore(settings(tmp_path / "new"), tmp_path / "backup")
    again = Store.open(settings(tmp_path / "new"))
    assert contents(again) == before
    again.close()


def test_from_sqlite_to_postgresql_and_back(living: Store, tmp_path: Path, server: postgres.Postgres) -> None:
    before = contents(living)
    back_up(living.settings, tmp_path / "one", taken_s=1.0)
    elsewhere = settings(tmp_path / "pg", server.empty_database())
    restore(elsewhere, tmp_path / "one")
    there = Store.open(elsewhere)
    assert contents(there) == before
    added = there.jobs.add("flow", FlowSpec(videos=["vid_b"]))  # new rows are numbered after those that came
    newest = next(event.id for event in there.jobs.events(added.id))
    assert newest > max(event.id for events in before["events"].values() for event in events)
    there.jobs.request_cancel(added.id)
    now = contents(there)
    back_up(elsewhere, tmp_path / "two", taken_s=2.0)
    there.close()
    restore(settings(tmp_path / "back"), tmp_path / "two")
    back = Store.open(settings(tmp_path / "back"))
    assert contents(back) == now
    back.close()


def test_a_backup_beside_writers_is_of_one_moment(living: Store, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        store = Store.open(living.settings, migrate=False)
        for seed in range(10_000):
            if stop.is_set():
                break
            clip = io.BytesIO(moving_clip(num_frames=2, size=(32, 32), seed=seed))
            video, _ = store.videos.add(clip, filename=f"{seed}.mp4")
            store.datasets.create_from_videos(f"set-{seed}", [VideoItem(video_id=video.id)])
        store.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            back_up(living.settings, tmp_path / f"backup-{number}", taken_s=1.0)
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        new = settings(tmp_path / f"new-{number}")
        restore(new, tmp_path / f"backup-{number}")
        store = Store.open(new)
        for dataset in store.datasets.list(limit=500).items:
            for item in store.datasets.items(dataset.id):
                assert item.video_id is not None
                assert store.videos.path(store.videos.get(item.video_id)).is_file()
        store.close()


def test_a_gallery_that_changes_meanwhile_is_of_one_generation(living: Store, tmp_path: Path) -> None:
    """Items come and go all the time; every generation has an even number of items of each source."""
    living.collections.create("poses", "m@1")
    stop, num_changes = threading.Event(), 0

    def change() -> None:
        nonlocal num_changes
        store = Store.open(living.settings, migrate=False)
        while not stop.is_set():
            grow(store, num_changes)
            if num_changes % 3 == 2:
                store.collections.delete_items("poses", ItemFilter(sources=(f"source-{num_changes - 1}",)))
            num_changes += 1
        store.close()

    writer = threading.Thread(target=change)
    writer.start()
    try:
        wait_for(lambda: num_changes >= 2, what="a gallery")
        changed = []
        for number in range(3):
            before = num_changes
            back_up(living.settings, tmp_path / f"backup-{number}", taken_s=1.0)
            changed.append(num_changes > before)
    finally:
        stop.set()
        writer.join()
    assert any(changed)
    for number in range(3):
        restore(settings(tmp_path / f"new-{number}"), tmp_path / f"backup-{number}")
        store = Store.open(settings(tmp_path / f"new-{number}"))
        collection = store.collections.get("poses")
        folder = store.collections.folder(collection)
        assert folder is not None
        items = [item for _, item in GalleryIndex.load(folder, verify=True).page(after=-1, limit=10_000)]
        assert len(items) == collection.num_items > 0
        assert set(Counter(item.source for item in items).values()) == {2}
        store.close()


def grow(store: Store, number: int) -> None:
    """Two items of one source."""
    added = store.jobs.add("index", IndexSpec(collection="poses", model="m", dataset="d", priority=10))
    job = store.jobs.claim_next(added.queue, "worker")
    assert job is not None
    store.collections.begin("poses", model="m@1", job=job)
    items = [GalleryItem(source=f"source-{number}", frame=frame) for frame in range(2)]
    with SegmentWriter(store.files.root / "tmp" / job.id, num_features=4) as writer:
        writer.add(np.eye(2, 4, dtype=np.float32), items, [b"", b""])
        store.collections.publish(writer, "poses", job, model="m@1", dataset_id="ds_1", num_features=4)
    store.jobs.succeed(job, {})


@pytest.mark.parametrize("name", ["backup.json", "files.jsonl", "tables/jobs.jsonl", "data/admin.key"])
def test_a_damaged_backup_is_refused_and_leaves_no_rows(living: Store, tmp_path: Path, name: str) -> None:
    back_up(living.settings, tmp_path / "backup", taken_s=1.0)
    file = tmp_path / "backup" / name
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-2] + b"x")
    with pytest.raises(BackupRefused, match=r"damaged|complete"):
        restore(settings(tmp_path / "new"), tmp_path / "backup")
    new = Store.open(settings(tmp_path / "new"))
    assert not new.jobs.list(limit=1).items
    new.close()


def test_what_is_there_is_never_overwritten(living: Store, tmp_path: Path) -> None:
    back_up(living.settings, tmp_path / "backup", taken_s=1.0)
    with pytest.raises(BackupRefused, match="not empty"):
        restore(living.settings, tmp_path / "backup")
    with pytest.raises(BackupRefused, match="already"):
        back_up(living.settings, tmp_path / "backup", taken_s=1.0)
    with pytest.raises(BackupRefused, match="inside"):
        back_up(living.settings, living.files.root / "backup", taken_s=1.0)


def test_a_backup_of_a_newer_version_is_refused(living: Store, tmp_path: Path) -> None:
    back_up(living.settings, tmp_path / "backup", taken_s=1.0)
    index = tmp_path / "backup" / "backup.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "revision": "r9999"}))
    with pytest.raises(BackupRefused, match="r9999"):
        restore(settings(tmp_path / "new"), tmp_path / "backup")


def test_nothing_is_no_installation(tmp_path: Path) -> None:
    with pytest.raises(PfaError, match="no installation"):
        back_up(settings(tmp_path / "none"), tmp_path / "backup", taken_s=1.0)
    assert not [path.name for path in tmp_path.iterdir() if "backup" in path.name]
