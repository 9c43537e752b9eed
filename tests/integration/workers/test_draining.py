"""SIGTERM to workers: their job writes a checkpoint, is handed back and goes on elsewhere; it is no attempt."""

import io
import os
import signal

import pytest

from pfa_store.datasets import VideoItem
from pfa_store.job_record import Job
from pfa_store.specs import FinetuneSpec, FlowSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.workers.service import Service
from tests.integration.workers.test_service import done
from tests.integration.workers.training import training, upload
from tests.processes import parent_of
from tests.waiting import wait_for


def flow(store: Store) -> Job:
    """A few seconds of work on several videos."""
    videos = [upload(store, num_frames=300, seed=seed).id for seed in range(4)]
    return store.jobs.add("flow", FlowSpec(videos=videos, config={"short_side_px": 96}))


def finetune(store: Store) -> Job:
    items = []
    for seed in range(4):
        video, _ = store.videos.add(io.BytesIO(moving_clip(num_frames=8, seed=seed)), filename=f"{seed}.mp4")
        items.append(VideoItem(video_id=video.id, label=f"{seed % 2}", split="train" if seed < 2 else "val"))
    dataset = store.datasets.create_from_videos("clips", items).id
    learn = {"batch_size": 4, "steps": 300, "validate_every_steps": 300, "checkpoint_every_steps": 1000}
    config = {"net": {"width": 1 / 32, "crop_px": 64}, "short_side_px": 64, "learn": learn, "test_frames": 2}
    return store.jobs.add("finetune", FinetuneSpec(task="action", dataset=dataset, name="mover", config=config))


def pretrain(store: Store) -> Job:
    return training(store, steps=400)


def under_way(store: Store, job: Job) -> Job:
    """Wait until it has done a part of its main work."""
    phase = {"flow": "flow", "finetune": "train", "pretrain": "train"}[job.kind]

    def part() -> Job | None:
        now = store.jobs.get(job.id)
        return now if now.phase == phase and 0 < now.step < now.total else None

    return wait_for(part, what=f"the {phase} of the {job.kind} job", timeout_s=240)


def celery_of(store: Store, job: Job) -> int:
    """The main process of the Celery worker whose pool process has the job."""
    worker = store.jobs.get(job.id).worker
    assert worker is not None
    return parent_of(int(worker.rpartition(":")[2]))


@pytest.mark.parametrize("make", [flow, pretrain, finetune])
def test_a_worker_that_is_told_to_leave_hands_its_job_back(store: Store, service: Service, make: object) -> None:
    assert callable(make)
    service.start()
    job = make(store)
    store.queue.ring(job)
    seen = under_way(store, job).step
    service.stop()  # waits for the end of every process
    assert store.workers.list() == ()
    left = store.jobs.get(job.id)
    assert (left.status, left.attempt, left.worker) == ("queued", 0, None)
    (handed,) = [event.data for event in store.jobs.events(job.id, limit=1000) if event.kind == "handed_back"]
    assert (handed["reason"], handed["counts"]) == ("its worker was shut down", False)
    last = store.jobs.events(job.id, limit=1000)[-1].id
    service.start()
    job = done(store, job)
    assert (job.status, job.attempt) == ("succeeded", 1), job
    told = [event.data for event in store.jobs.events(job.id, after=last, limit=1000) if event.kind == "progress"]
    main_phase = [data["step"] for data in told if data["phase"] == left.phase]
    assert main_phase[-1] >= seen
    if make is not flow:
        assert main_phase[0] > 1, "it went on from a checkpoint that was written on the way out"


def test_sigterm_to_celery_alone_does_the_same(store: Store, service: Service) -> None:
    """As a container runtime sends it to the one process that it knows."""
    service.start()
    job = training(store, steps=400)
    store.queue.ring(job)
    under_way(store, job)
    celery = celery_of(store, job)
    os.kill(celery, signal.SIGTERM)
    wait_for(lambda: celery not in service.processes(), what="the end of the Celery process")
    finished = done(store, job)
    assert (finished.status, finished.attempt) == ("succeeded", 1)
    handed = [event.data["reason"] for event in store.jobs.events(job.id, limit=1000) if event.kind == "handed_back"]
    assert handed == ["its worker was shut down"]
