"""Resumable uploads in the store, on both databases: one writer, what counts, and what is swept away."""

import pytest

from pfa_core.errors import VideoUnsupported
from pfa_store.errors import DiskFull, QuotaExceeded, UploadGone, UploadLocked, UploadNotFound
from pfa_store.settings import Settings
from pfa_store.store import Store
from pfa_store.uploads import REMEMBER_S
from tests.integration.clips import moving_clip
from tests.integration.store.clock import Clock


def test_what_was_written_is_there_for_good(store: Store) -> None:
    upload = store.uploads.create(100, filename="../a.mp4", tus_metadata="filename YQ==")
    assert (upload.filename, store.uploads.offset(upload)) == ("a.mp4", 0)
    with store.uploads.writing(upload.id) as (_, part):
        part.write(b"x" * 60)
        with pytest.raises(UploadLocked), store.uploads.writing(upload.id):
            pass
        with pytest.raises(UploadLocked):
            store.uploads.delete(upload.id)
    with store.uploads.writing(upload.id) as (_, part):
        assert part.offset == 60
    assert store.uploads.offset(store.uploads.get(upload.id)) == 60


def test_what_was_never_verified_does_not_count(store: Store) -> None:
    """As a process leaves it that died within a piece with a checksum."""
    upload = store.uploads.create(100, filename="a.mp4")
    with store.uploads.writing(upload.id) as (_, part):
        part.write(b"x" * 10)
        store.uploads.distrust(upload.id, 10)
        part.write(b"y" * 50)
    assert store.uploads.offset(store.uploads.get(upload.id)) == 10
    with store.uploads.writing(upload.id) as (held, part):
        assert (held.keep_bytes, part.offset) == (None, 10)
        part.write(b"z")
    assert store.files.upload(upload.id).read_bytes() == b"x" * 10 + b"z"


def test_a_full_disk_keeps_what_came_before(store: Store, settings: Settings) -> None:
    upload = store.uploads.create(100, filename="a.mp4")
    with store.uploads.writing(upload.id) as (_, part):
        part.write(b"x" * 10)
    full = Store.open(settings.model_copy(update={"min_free_bytes": 2**62}), clock=store.clock)
    with pytest.raises(DiskFull), full.uploads.writing(upload.id) as (_, part):
        part.write(b"y")
    with pytest.raises(DiskFull):
        full.uploads.create(100, filename="b.mp4")
    full.close()
    assert store.uploads.offset(store.uploads.get(upload.id)) == 10


def test_a_finished_upload_is_a_video_and_a_bad_one_is_refused(store: Store) -> None:
    data = moving_clip(num_frames=5)
    upload = store.uploads.create(len(data), filename="a.mp4", key_id="key_1")
    with store.uploads.writing(upload.id) as (held, part):
        part.write(data)
        done = store.uploads.finish(held)
    assert done.video_id is not None
    video = store.videos.get(done.video_id)
    assert store.videos.path(video).read_bytes() == data
    assert (video.key_id, done.status, store.uploads.offset(done)) == ("key_1", "finished", len(data))
    bad = store.uploads.create(4, filename="b.mp4")
    with store.uploads.writing(bad.id) as (held, part):
        part.write(b"text")
        with pytest.raises(VideoUnsupported):
            store.uploads.finish(held)
    with pytest.raises(UploadGone, match="video_unsupported"):
        store.uploads.alive(bad.id)
    assert not store.files.upload(bad.id).exists()


def test_the_idle_expire_and_the_old_are_forgotten(store: Store, settings: Settings, clock: Clock) -> None:
    idle, busy = (store.uploads.create(100, filename="a.mp4") for _ in range(2))
    clock.pass_s(settings.upload_expires_s - 1)
    with store.uploads.writing(busy.id):
        clock.pass_s(2)
    assert store.uploads.sweep(clock()) == 1
    assert [store.uploads.get(upload.id).status for upload in (idle, busy)] == ["expired", "receiving"]
    assert not store.files.upload(idle.id).exists()
    with pytest.raises(UploadGone):
        store.uploads.alive(idle.id)
    clock.pass_s(settings.upload_expires_s + 1)
    with pytest.raises(UploadGone):
        store.uploads.alive(busy.id)
    clock.pass_s(REMEMBER_S)
    store.uploads.sweep(clock())
    with pytest.raises(UploadNotFound):
        store.uploads.get(idle.id)


def test_an_upload_whose_file_was_lost_can_be_ended(store: Store, settings: Settings, clock: Clock) -> None:
    """Somebody removed it by hand: it must not count against its key for ever."""
    swept, deleted = (store.uploads.create(100, filename="a.mp4") for _ in range(2))
    for upload in (swept, deleted):
        store.files.upload(upload.id).unlink()
    with pytest.raises(UploadNotFound):
        store.uploads.offset(swept)
    store.uploads.delete(deleted.id)
    clock.pass_s(settings.upload_expires_s)
    assert store.uploads.sweep(clock()) == 1
    assert store.quota.used_bytes(None) == 0


def test_who_is_adding_is_not_swept_away(store: Store, settings: Settings, clock: Clock) -> None:
    upload = store.uploads.create(100, filename="a.mp4")
    with store.uploads.writing(upload.id) as (_, part):
        clock.pass_s(settings.upload_expires_s + 1)
        assert store.uploads.sweep(clock()) == 0
        part.write(b"x")
    assert store.uploads.get(upload.id).status == "receiving"
    assert store.uploads.sweep(clock()) == 0


def test_a_quota_counts_uploads_in_full_and_by_key(store: Store, settings: Settings) -> None:
    metered = Store.open(settings.model_copy(update={"quota_bytes": 1000}))
    first = metered.uploads.create(900, filename="a.mp4", key_id="key_1")
    with pytest.raises(QuotaExceeded):
        metered.uploads.create(101, filename="b.mp4", key_id="key_1")
    metered.uploads.create(1000, filename="b.mp4", key_id="key_2")
    metered.uploads.create(1000, filename="b.mp4", key_id=None)
    assert [metered.quota.used_bytes(key) for key in ("key_1", "key_2", None)] == [900, 1000, 1000]
    with metered.quota.arriving("key_1") as allowance:
        allowance.take(100)
        allowance.weigh()
        with pytest.raises(QuotaExceeded):
            metered.uploads.create(1, filename="c.mp4", key_id="key_1")
        allowance.take(1)
        with pytest.raises(QuotaExceeded):
            allowance.weigh()
    metered.uploads.delete(first.id)
    metered.uploads.create(1000, filename="a.mp4", key_id="key_1")
    metered.close()
