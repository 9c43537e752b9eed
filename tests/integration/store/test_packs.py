"""Packs in the data folder: seen, checked, and removed only when nothing needs them."""

import contextlib
import io
import os
from pathlib import Path

import pytest

from pfa_core.errors import PackDamaged
from pfa_core.mapped_packs import map_pack
from pfa_core.pack_lock import PackLock
from pfa_core.packs import Pack, build_pack, pack_key
from pfa_core.progress import run_to_end
from pfa_store.datasets import VideoItem
from pfa_store.errors import InUse
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from pfa_store.videos import Video
from tests.integration.clips import moving_clip
from tests.integration.store.clock import Clock

CONFIG = FlowSpec(config={"short_side_px": 64, "backend": "dis"}).resolve()
DAY_S = 24 * 3600.0


def upload(store: Store, seed: int = 0) -> Video:
    return store.videos.add(io.BytesIO(moving_clip(num_frames=4, seed=seed)), filename=f"{seed}.mp4")[0]


def pack_of(store: Store, video: Video) -> Path:
    """Its pack, made as a job makes it."""
    folder = store.files.pack(video.sha256, pack_key(video.sha256, CONFIG))
    path, limits = store.videos.path(video), store.videos.limits
    steps = build_pack(path, folder, CONFIG, video_sha256=video.sha256, limits=limits)
    return run_to_end(steps, lambda _: None).folder


def mapped(folder: Path) -> Path:
    """The mapped form of a pack, made as training makes it."""
    run_to_end(map_pack(Pack.open(folder)), lambda _: None)
    return folder.with_name(f"{folder.name}.mapped")


def unfinished(folder: Path) -> Path:
    """What a killed build leaves."""
    left = folder.parent / f".{folder.name}.building"
    left.mkdir(parents=True)
    (left / "000000.frames").write_bytes(b"x" * 5000)
    return left


def delete_row(store: Store, video: Video) -> None:
    """Delete a video, leaving its pack as a crash between the two would."""
    folder = store.files.packs_of(video.sha256)
    aside = store.files.root / "aside"
    folder.rename(aside)
    store.videos.delete(video.id)
    aside.rename(folder)


def test_what_there_is(store: Store) -> None:
    video = upload(store)
    folder = pack_of(store, video)
    left = unfinished(store.files.pack(video.sha256, "ab" * 32))
    first, second = store.packs.list()
    assert (first.folder, first.finished, first.key, first.num_frames) == (left, False, "ab" * 32, None)
    assert (second.folder, second.finished, second.num_frames, second.file) == (folder, True, 4, "0.mp4")
    assert second.key == pack_key(video.sha256, CONFIG)
    assert second.num_bytes >= sum(path.stat().st_size for path in folder.iterdir())


def test_a_flipped_bit_is_found(store: Store) -> None:
    folder = pack_of(store, upload(store))
    (pack,) = store.packs.list()
    store.packs.check(pack)
    data = bytearray((folder / "frames.bin").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "frames.bin").write_bytes(data)
    with pytest.raises(PackDamaged):
        store.packs.check(pack)


def test_a_pack_of_a_deleted_video_is_not_needed(store: Store) -> None:
    kept, gone = upload(store, 1), upload(store, 2)
    pack_of(store, kept)
    folder = pack_of(store, gone)
    delete_row(store, gone)
    ((pack, reason),) = store.packs.unneeded()
    assert (pack.folder, pack.file, reason) == (folder, None, "its video is gone")
    store.packs.remove(pack)
    assert not folder.parent.exists()
    assert list(store.packs.unneeded()) == []


def test_unused_packs_by_age(store: Store, clock: Clock) -> None:
    folder = pack_of(store, upload(store))
    os.utime(folder, (clock(), clock()))
    clock.pass_s(2.5 * DAY_S)
    assert list(store.packs.unneeded()) == []
    assert list(store.packs.unneeded(unused_days=3)) == []
    assert [pack.folder for pack, _ in store.packs.unneeded(unused_days=2)] == [folder]


def test_asking_for_a_pack_is_using_it(store: Store) -> None:
    video = upload(store)
    folder = pack_of(store, video)
    os.utime(folder, (0, 0))
    pack_of(store, video)
    (pack,) = store.packs.list()
    assert pack.used_s > 0


@pytest.mark.parametrize("by", ["video", "data set"])
def test_what_an_unfinished_job_uses_stays(store: Store, by: str) -> None:
    video, other = upload(store, 1), upload(store, 2)
    folders = [pack_of(store, video), unfinished(store.files.pack(video.sha256, "ab" * 32))]
    pack_of(store, other)
    store.datasets.create_from_videos("clips", [VideoItem(video_id=video.id)])
    spec = FlowSpec(videos=[video.id]) if by == "video" else FlowSpec(dataset="clips")
    job = store.jobs.add("flow", spec)
    held = [pack for pack in store.packs.list() if pack.folder in folders]
    assert len(held) == 2
    for _ in ("queued", "running"):
        assert {pack.file for pack, _ in store.packs.unneeded(unused_days=-1e6)} == {"2.mp4"}
        for pack in held:
            with pytest.raises(InUse, match=job.id):
                store.packs.remove(pack)
        store.jobs.claim(job.id, "w")
    store.jobs.succeed(store.jobs.get(job.id), {})
    for pack in held:
        store.packs.remove(pack)
    assert [pack.file for pack in store.packs.list()] == ["2.mp4"]


def test_what_is_being_built_stays(store: Store) -> None:
    """Also by a process that is no job of ours."""
    folder = pack_of(store, upload(store))
    (pack,) = store.packs.list()
    with contextlib.closing(PackLock(folder)) as lock:
        assert lock.take()
        with pytest.raises(InUse):
            store.packs.remove(pack)
    store.packs.remove(pack)
    assert not folder.exists()


def test_a_mapped_form_is_seen_and_checked(store: Store) -> None:
    folder = pack_of(store, upload(store))
    whole = mapped(folder)
    pack, form = store.packs.list()
    assert (pack.folder, pack.mapped, pack.finished) == (folder, False, True)
    assert (form.folder, form.mapped, form.finished, form.key, form.file) == (whole, True, True, pack.key, "0.mp4")
    assert form.num_bytes >= (5 * 4 - 2) * 64 * 64
    store.packs.check(form)
    data = bytearray((whole / "flow.i8").read_bytes())
    data[len(data) // 2] ^= 1
    (whole / "flow.i8").write_bytes(data)
    with pytest.raises(PackDamaged):
        store.packs.check(form)
    store.packs.check(pack)


def test_a_mapped_form_that_no_job_uses_is_not_needed(store: Store) -> None:
    video = upload(store)
    whole = mapped(pack_of(store, video))
    job = store.jobs.add("flow", FlowSpec(videos=[video.id]))
    assert list(store.packs.unneeded()) == []
    _, form = store.packs.list()
    with pytest.raises(InUse, match=job.id):
        store.packs.remove(form)
    store.jobs.claim(job.id, "w")
    store.jobs.succeed(store.jobs.get(job.id), {})
    ((form, reason),) = store.packs.unneeded()
    assert (form.folder, "makes it again" in reason) == (whole, True)
    store.packs.remove(form)
    assert not whole.exists()
    assert [pack.mapped for pack in store.packs.list()] == [False]


def test_a_mapped_form_in_the_making_stays(store: Store) -> None:
    folder = pack_of(store, upload(store))
    making = map_pack(Pack.open(folder))
    next(making)
    left, pack = store.packs.list()
    assert (left.finished, left.mapped, left.key) == (False, False, pack.key)
    with pytest.raises(InUse):
        store.packs.remove(left)
    making.close()
    assert [one.folder for one in store.packs.list()] == [folder]
