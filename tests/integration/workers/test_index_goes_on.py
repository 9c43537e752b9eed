"""An index job whose runner is killed: the collection is the one that an undisturbed job makes."""

import io
import os
import signal
import threading

import numpy as np
import torch

from pfa_core.config.net import NetConfig
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import build, save_model
from pfa_core.retrieval import GalleryIndex
from pfa_store.datasets import VideoItem
from pfa_store.job_record import Job
from pfa_store.specs import IndexSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.workers.service import processes_of
from tests.waiting import wait_for
from workers.turn import run_job

NUM_VIDEOS, NUM_FRAMES = 16, 20


def publish(store: Store, name: str) -> None:
    """A tiny model with random weights."""
    config = ModelConfig(kind="action", net=NetConfig(width=1 / 16, crop_px=64, norm="batch"), labels=("a", "b"))
    torch.manual_seed(0)
    folder = store.files.root / "tmp" / name
    manifest = save_model(folder, build(config), config=config, lineage=Lineage(seed=0), metrics={})
    store.models.publish(folder, name, None, manifest=manifest)


def gallery(store: Store, name: str) -> GalleryIndex:
    folder = store.collections.folder(store.collections.get(name))
    assert folder is not None
    return GalleryIndex.load(folder, verify=True)


def last_attempt_began_at(store: Store, job: Job) -> int:
    events = store.jobs.events(job.id, limit=1000)
    claimed = [event.id for event in events if event.kind == "claimed"]
    return next(event.data["step"] for event in events if event.kind == "progress" and event.id > claimed[-1])


def killed_at(store: Store, job: Job, *, step: int) -> int:
    """Run the job here until its runner is killed after so many steps; how many there were."""
    seen: list[int] = []

    def kill() -> None:
        seen.append(
            wait_for(lambda: now if (now := store.jobs.get(job.id).step) >= step else None, what="steps", timeout_s=300)
        )
        (runner,) = processes_of(store.settings, "workers.runner")
        os.kill(runner, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    run_job(job.id, store)
    thread.join()
    (done,) = seen
    return done


def test_a_killed_index_job_goes_on_and_nothing_is_there_twice(store: Store) -> None:
    publish(store, "tiny")
    clips = [moving_clip(num_frames=NUM_FRAMES, seed=seed) for seed in range(NUM_VIDEOS)]
    videos = [store.videos.add(io.BytesIO(clip), filename=f"{n}.mp4")[0] for n, clip in enumerate(clips)]
    store.datasets.create_from_videos("clips", [VideoItem(video_id=video.id, label="a") for video in videos])
    spec = IndexSpec(dataset="clips", model="tiny", collection="killed", every_frames=1)
    job = store.jobs.add("index", spec)
    seen = killed_at(store, job, step=2)
    assert store.jobs.get(job.id).status == "queued"
    run_job(job.id, store)
    killed = store.jobs.get(job.id)
    straight = store.jobs.add("index", spec.model_copy(update={"collection": "straight"}))
    run_job(straight.id, store)
    assert (killed.status, killed.attempt, store.jobs.get(straight.id).status) == ("succeeded", 2, "succeeded")
    assert last_attempt_began_at(store, killed) >= seen

    one, other = gallery(store, "killed"), gallery(store, "straight")
    assert len(one) == len(other) == NUM_VIDEOS * NUM_FRAMES
    assert one.page(after=-1, limit=10**6) == other.page(after=-1, limit=10**6)
    for n in one.ids().tolist():
        np.testing.assert_array_equal(one.feature(n), other.feature(n))
        assert one.thumbnail(n) == other.thumbnail(n)
