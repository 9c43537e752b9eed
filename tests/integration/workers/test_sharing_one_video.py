"""One long video that several workers share, in parts."""

import io
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from sqlalchemy import update

from pfa_core.packs import build_part
from pfa_core.progress import Progress, run_to_end
from pfa_store.items import owner
from pfa_store.job_record import Job
from pfa_store.schema import VideoRow
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec, PretrainSpec
from pfa_store.store import Store
from pfa_store.videos import Video
from tests.integration.workers.service import Service, processes_of
from tests.integration.workers.test_sharing import claimed, help_beside, supply
from tests.integration.workers.training import PACK, upload
from tests.waiting import wait_for
from workers.handlers import flow
from workers.pack_task import PackTask
from workers.packing import pack_from
from workers.work import Work

NUM_FRAMES = 300
PART_FRAMES = 50


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"part_frames": PART_FRAMES})


@pytest.fixture
def patient(settings: Settings) -> Iterator[Store]:
    """A store with long leases, for a test that holds a part without renewing it."""
    opened = Store.open(settings.model_copy(update={"lease_s": 600}))
    yield opened
    opened.close()


def long_video_job(store: Store, *, num_frames: int = NUM_FRAMES) -> Job:
    return store.jobs.add("flow", FlowSpec(videos=[upload(store, num_frames=num_frames, seed=1).id], config=PACK))


def make_part(task: PackTask) -> None:
    """What a packing process does."""
    recipe = build_part(
        task.video, task.folder, task.config, video_sha256=task.video_sha256, limits=task.limits,
        first_frame=task.first_frame, num_frames=task.num_frames,
    )  # fmt: skip
    assert run_to_end(recipe, lambda _: None)


def made_alone(settings: Settings, folder: Path, video: Video, source: Path) -> dict[str, bytes]:
    """The files of the pack that a single builder makes, in an installation that cuts nothing."""
    store = Store.open(
        settings.model_copy(update={"data_dir": folder, "part_frames": 10**6, "database_url": "", "broker_url": ""})
    )
    same = store.videos.add(io.BytesIO(source.read_bytes()), filename="same.mp4")[0]
    assert same.sha256 == video.sha256
    job = claimed(store, store.jobs.add("flow", FlowSpec(videos=[same.id], config=PACK)))
    result = run_to_end(flow.handle(Work(job=job, store=store)), lambda _: None)
    assert result["packs"] == 1
    assert len(store.items.all(job.id)) == 1
    files = pack_files(store, job)
    store.close()
    return files


def pack_files(store: Store, job: Job) -> dict[str, bytes]:
    """The files of the job's only pack, beside which nothing may be left."""
    (video,) = (store.videos.get(name) for name in _videos(job))
    (folder,) = store.files.packs_of(video.sha256).iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _videos(job: Job) -> list[str]:
    spec = job.request
    assert isinstance(spec, FlowSpec | PretrainSpec)
    return spec.videos


def test_two_workers_make_one_pack(patient: Store, tmp_path: Path) -> None:
    """The job's own runner holds a part for as long as it takes; a helper does the others, and cannot join them."""
    job = claimed(patient, long_video_job(patient))
    ours = supply(patient, job, owner(job))
    task = ours.take()
    assert task is not None
    helper = help_beside(patient, job)
    assert helper.wait(120) == 0
    parts = [item for item in patient.items.all(job.id) if item.part]
    assert len(parts) == NUM_FRAMES // PART_FRAMES
    assert {item.status for item in parts if item.worker != owner(job)} == {"done"}
    assert len({item.worker for item in parts}) == 2
    assert ours.awaited()
    make_part(task)
    ours.done(task)
    steps = [progress.step for progress in pack_from(ours, processes=1)]
    assert {*steps} == {NUM_FRAMES - 1}, "nothing but putting it together was left"
    assert {item.status for item in patient.items.all(job.id)} == {"done"}
    assert not ours.awaited()
    alone = made_alone(patient.settings, tmp_path / "alone", patient.videos.get(_videos(job)[0]), task.video)
    assert pack_files(patient, job) == alone


def test_what_a_killed_helper_had_in_hand_is_gone_on_with(settings: Settings, tmp_path: Path) -> None:
    """When its lease has run out: after four seconds, in these tests."""
    store = Store.open(settings.model_copy(update={"part_frames": 1200}))
    job = claimed(store, long_video_job(store, num_frames=2500))
    ours = supply(store, job, owner(job))
    helper = help_beside(store, job)
    video = store.videos.get(_videos(job)[0])
    packs = store.files.packs_of(video.sha256)
    wait_for(lambda: list(packs.glob(".*.building/*.json")), what="a chunk of the helper", timeout_s=120)
    (pid,) = processes_of(store.settings, "workers.helper")
    os.kill(pid, signal.SIGKILL)
    assert helper.wait(60) == 0
    had = {item.part for item in store.items.all(job.id) if item.status == "running"}
    assert had
    for _ in pack_from(ours, processes=2):
        pass
    items = store.items.all(job.id)
    assert {item.status for item in items} == {"done"}
    assert {item.part for item in items if item.token == 2} == had
    alone = made_alone(settings, tmp_path / "alone", video, store.videos.path(video))
    assert pack_files(store, job) == alone
    store.close()


def test_two_jobs_at_once_make_one_pack(store: Store, settings: Settings, tmp_path: Path) -> None:
    first = claimed(store, long_video_job(store))
    second = claimed(store, store.jobs.add("flow", FlowSpec(videos=_videos(first), config=PACK)))
    supplies = [supply(store, job, owner(job)) for job in (first, second)]
    helpers = [help_beside(store, job) for job in (first, second)]
    assert [helper.wait(120) for helper in helpers] == [0, 0]
    for ours in supplies:
        for _ in pack_from(ours, processes=1):
            pass
    for job in (first, second):
        assert {item.status for item in store.items.all(job.id)} == {"done"}
    video = store.videos.get(_videos(first)[0])
    assert pack_files(store, first) == made_alone(settings, tmp_path / "alone", video, store.videos.path(video))


@pytest.mark.parametrize("announced", [3 * PART_FRAMES + 1, 2 * NUM_FRAMES])
def test_a_video_may_be_shorter_or_longer_than_its_file_says(
    store: Store, settings: Settings, tmp_path: Path, announced: int
) -> None:
    job = claimed(store, long_video_job(store))
    video = store.videos.get(_videos(job)[0])
    with store.sessions.writing() as session:
        session.execute(update(VideoRow).values(num_frames=announced))
    seen: list[Progress] = []
    result = run_to_end(flow.handle(Work(job=job, store=store)), seen.append)
    assert result == {"packs": 1, "pairs": NUM_FRAMES - 1, "left_out": []}
    assert {progress.total for progress in seen} == {announced - 1}
    assert max(progress.step for progress in seen) <= announced - 1
    assert pack_files(store, job) == made_alone(settings, tmp_path / "alone", video, store.videos.path(video))


def test_a_video_that_is_damaged_in_its_middle_is_left_out_once(store: Store) -> None:
    good = upload(store, num_frames=4, seed=2)
    bad = upload(store, num_frames=NUM_FRAMES, seed=1)
    path = store.videos.path(bad)
    with av.open(str(path)) as container:
        start, end = (packet.pos for packet in itertools.islice(container.demux(video=0), 210, 212))
    assert start is not None
    assert end is not None
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[:start] + b"\xff" * (end - start) + data[end:])
    job = claimed(store, store.jobs.add("flow", FlowSpec(videos=[bad.id, good.id], config=PACK)))
    result = run_to_end(flow.handle(Work(job=job, store=store)), lambda _: None)
    assert (result["packs"], result["pairs"]) == (1, 3)
    (left_out,) = result["left_out"]
    assert (left_out["video"], left_out["code"]) == (bad.id, "video_unreadable")
    assert "damaged after 210 frames" in left_out["message"]
    assert list(store.files.packs_of(bad.sha256).iterdir()) == []


def test_pretraining_is_helped_too(store: Store) -> None:
    videos = [upload(store, num_frames=NUM_FRAMES, seed=1).id]
    job = claimed(
        store, store.jobs.add("pretrain", PretrainSpec(videos=videos, config={"pack": PACK, "net": {"crop_px": 64}}))
    )
    supply(store, job, owner(job))
    assert help_beside(store, job).wait(120) == 0
    assert {item.status for item in store.items.all(job.id)} == {"done"}
    (pack,) = store.packs.list()
    assert (pack.finished, pack.num_frames) == (True, NUM_FRAMES)


def test_a_job_through_two_services(store: Store, service: Service, settings: Settings, tmp_path: Path) -> None:
    service.start()
    service.start()
    job = long_video_job(store, num_frames=600)
    assert store.queue.ring(job)
    job = wait_for(lambda: now if (now := store.jobs.get(job.id)).done else None, what="the job", timeout_s=120)
    assert (job.status, job.attempt, job.error_message) == ("succeeded", 1, None)
    assert (job.step, job.total) == (599, 599)
    assert job.result == {"packs": 1, "pairs": 599, "left_out": []}
    video = store.videos.get(_videos(job)[0])
    assert pack_files(store, job) == made_alone(settings, tmp_path / "alone", video, store.videos.path(video))
