"""Files that no row names, old packs, temporary files and audit lines: what goes and what stays."""

import fcntl
import io
import json
import os
import time
from collections.abc import Iterator

import pytest
from PIL import Image

from pfa_store.audit import IN_FLIGHT_S, AuditLog
from pfa_store.datasets import ImageItem
from pfa_store.errors import InUse
from pfa_store.files import HELD_BY
from pfa_store.garbage.piece import Piece
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock
from tests.integration.store.manifests import MANIFEST, model_folder
from tests.integration.store.test_packs import mapped, pack_of, unfinished, upload

DAY_S = 24 * 3600.0


@pytest.fixture
def clock() -> Clock:
    """It begins at the machine's time, which files have."""
    return Clock(time.time())


@pytest.fixture
def store(settings: Settings, clock: Clock) -> Iterator[Store]:
    keeps = settings.model_copy(update={"keep_packs_days": 3, "keep_audit_days": 2})
    opened = Store.open(keeps, clock=clock)
    yield opened
    opened.close()


def swept(store: Store) -> dict[str, str]:
    """By path, the kind of what went."""
    return {piece.name: piece.kind for piece in store.sweeper.sweep() if piece is not None}


def test_what_no_row_names_goes_after_a_day_and_what_a_row_names_stays(store: Store, clock: Clock) -> None:
    video = upload(store)
    image = store.images.add(_png(1))
    named = store.images.add(_png(2))
    store.datasets.create_from_images("people", None, [ImageItem(image_sha256=named.sha256, file="a", label="left")])
    model = store.models.publish(model_folder(store.files.root / "tmp" / "m"), "walker", None, manifest=MANIFEST)
    receiving = store.uploads.create(10, filename="a.mp4")
    files = store.files
    left = {
        files.video("b" * 64, "mp4"): "orphans",
        files.thumbnail("b" * 64): "orphans",
        image.path: "orphans",
        files.upload("up_gone"): "orphans",
        files.collection("poses") / "job_gone" / "manifest.json": "orphans",
        files.model("walker", 7) / "model.safetensors": "orphans",
        files.root / "tmp" / "tmpabc": "temporary",
        image.path.with_name(".tmp-x"): "temporary",
    }
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    number = files.model("walker", 5)
    number.mkdir()
    thumbnail = files.thumbnail(video.sha256)
    thumbnail.parent.mkdir(parents=True, exist_ok=True)
    thumbnail.write_bytes(b"jpg")
    assert swept(store) == {}
    clock.pass_s(0.9 * DAY_S)
    store.images.add(_png(1))  # its user comes back: it is not old
    os.utime(image.path, (clock(), clock()))
    clock.pass_s(0.2 * DAY_S)
    del left[image.path]
    inside = {files.collection("poses") / "job_gone" / "manifest.json", files.model("walker", 7) / "model.safetensors"}
    expected = {files.relative(path.parent if path in inside else path): kind for path, kind in left.items()}
    assert {piece.name: piece.kind for piece in store.sweeper.sweep(dry_run=True) if piece is not None} == expected
    assert all(path.exists() for path in left)
    assert swept(store) == expected
    assert not any(path.exists() for path in left)
    kept = [store.videos.path(video), named.path, image.path, thumbnail, number, files.upload(receiving.id)]
    assert all(path.exists() for path in [*kept, files.model("walker", 7), store.models.folder(model)])
    assert swept(store) == {}


def test_a_gallery_of_a_job_that_may_go_on_stays(store: Store, clock: Clock) -> None:
    job = store.jobs.add("index", {"collection": "poses", "model": "m", "dataset": "d"})
    folder = store.files.collection("poses") / job.id
    folder.mkdir(parents=True)
    clock.pass_s(100 * DAY_S)
    assert swept(store) == {}
    store.jobs.request_cancel(job.id)
    assert swept(store) == {store.files.relative(folder): "orphans"}


def test_a_temporary_folder_that_somebody_holds_stays(store: Store, clock: Clock) -> None:
    """However long nothing changes in it: an idle service of several processes counts there."""
    folder = store.files.root / "tmp" / "metrics-x"
    folder.mkdir()
    with (folder / HELD_BY).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        clock.pass_s(100 * DAY_S)
        assert swept(store) == {}
    assert swept(store) == {"tmp/metrics-x": "temporary"}


def test_packs_over_the_budget_go_the_longest_unused_first(settings: Settings, clock: Clock) -> None:
    roomy = Store.open(settings, clock=clock)
    videos = [upload(roomy, seed) for seed in range(4)]
    folders = [pack_of(roomy, video) for video in videos]
    for days, folder in zip((9, 8, 7, 1), folders, strict=True):
        os.utime(folder, (clock() - days * DAY_S,) * 2)
    sizes = [pack.num_bytes for pack in roomy.packs.list()]
    assert swept(roomy) == {}
    roomy.jobs.add("flow", FlowSpec(videos=[videos[0].id]))  # holds the one that was used longest ago
    roomy.close()
    tight = settings.model_copy(update={"keep_packs_days": 3, "pack_bytes": sum(sizes) - 1})
    store = Store.open(tight, clock=clock)
    assert list(swept(store)) == [store.files.relative(folders[1])]
    store.close()
    store = Store.open(tight.model_copy(update={"pack_bytes": 1}), clock=clock)
    assert list(swept(store)) == [store.files.relative(folders[2])]
    assert [folder.exists() for folder in folders] == [True, False, False, True]  # the last is in use these days
    store.close()


def test_mapped_and_unfinished_packs_go_when_they_are_unused(store: Store, clock: Clock) -> None:
    video = upload(store)
    folder = pack_of(store, video)
    form, left = mapped(folder), unfinished(store.files.pack(video.sha256, "ab" * 32))
    clock.pass_s(2.9 * DAY_S)
    assert swept(store) == {}
    clock.pass_s(0.2 * DAY_S)
    assert swept(store) == {store.files.relative(path): "packs" for path in (form, left)}
    assert folder.exists()


def test_a_pack_of_a_deleted_video_goes(store: Store, clock: Clock) -> None:
    folder = store.files.pack("c" * 64, "ab" * 32)
    folder.mkdir(parents=True)
    assert swept(store) == {}
    clock.pass_s(1.1 * DAY_S)
    assert swept(store) == {store.files.relative(folder): "packs"}


def test_old_audit_lines_go_and_no_other(store: Store, clock: Clock) -> None:
    log = AuditLog(store.files)
    for number in range(5):
        log.write({"n": number}, at_s=clock() + number * DAY_S)
    clock.pass_s(4.5 * DAY_S)  # two days are kept: lines 3 and 4
    aside = log.path.with_name("audit.1.jsonl")
    assert swept(store) == {}  # somebody may be writing to the file that was just set aside
    os.utime(aside, (time.time() - 2 * IN_FLIGHT_S,) * 2)
    log.write({"n": 5}, at_s=clock())
    assert swept(store) == {"audit": "audit"}
    lines = [json.loads(line)["n"] for path in (aside, log.path) for line in path.read_bytes().splitlines()]
    assert lines == [3, 4, 5]
    clock.pass_s(10 * DAY_S)
    aside.write_bytes(aside.read_bytes() + b'{"at": "20')  # torn by a crash
    for path in (aside, log.path):
        os.utime(path, (time.time() - 2 * IN_FLIGHT_S,) * 2)
    swept(store)
    assert [path.name for path in sorted(log.path.parent.iterdir()) if path.suffix == ".jsonl"] == ["audit.2.jsonl"]


def test_one_process_at_a_time_and_not_too_often(store: Store, clock: Clock) -> None:
    first, second = store.garbage_collection(), store.garbage_collection()
    assert first.begin()
    assert not second.begin()
    with pytest.raises(InUse):
        list(second.all())
    assert list(first.turn(goes_on=lambda: True)) == []
    assert not first.under_way
    assert not second.begin()
    assert list(second.all()) == []  # by hand it need not be due
    clock.pass_s(store.settings.gc_every_s + 1)
    assert second.begin()
    clock.pass_s(301)  # it died
    assert first.begin()
    assert list(second.turn(goes_on=lambda: True)) == []
    assert not second.under_way
    assert first.under_way


def test_a_turn_is_bounded_and_everything_is_counted(store: Store, clock: Clock) -> None:
    for number in range(5):
        (store.files.root / "tmp" / f"left-{number}").write_bytes(b"x" * 5000)
    clock.pass_s(2 * DAY_S)
    collection = store.garbage_collection()
    assert collection.begin()
    seen: list[Piece] = []
    num_turns = 0
    while collection.under_way:
        seen += collection.turn(goes_on=lambda: False)
        num_turns += 1
    assert num_turns > len(seen) == 5
    tally = store.chores.tally("gc")
    assert (tally["sweeps"], tally["pieces"], tally["bytes"]) == (1, {"temporary": 5}, {"temporary": 5 * 8192})


def _png(seed: int) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 64), (seed, 0, 0)).save(content, "PNG")
    return content.getvalue()
