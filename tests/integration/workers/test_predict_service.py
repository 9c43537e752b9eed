"""Prediction jobs by real workers: killed, paused, cancelled and tried again, they end as if nothing had happened."""

import os
import signal
from typing import Any

import numpy as np
import pytest

from pfa_core.video.decode import read_frames
from pfa_store.job_record import Job
from pfa_store.store import Store
from tests.integration.workers.ended import succeeded
from tests.integration.workers.predicting import left, predicting, publish, told
from tests.integration.workers.service import Service
from tests.waiting import wait_for

FRAMES = (600,) * 4
POSE: dict[str, Any] = {"detect": "hog", "detect_every_frames": 1, "smoothing": "one_euro"}
ACTION: dict[str, Any] = {"window_s": 1.0, "stride_s": 0.12, "top": 2}


def under_way(store: Store, job: Job, *, at_least: int) -> int:
    """Wait until so much is done, but not all."""
    return wait_for(
        lambda: now.step if (now := store.jobs.get(job.id)).step >= at_least and not now.done else None,
        what=f"step {at_least} of the prediction",
        timeout_s=240,
    )


def assert_alike(store: Store, jobs: tuple[Job, Job], name: str) -> None:
    """Both jobs' videos show the same but for coding noise: a frame differs from its neighbours by about 80 levels."""
    limits = store.videos.limits
    paths = [store.files.job_files(job.id, store.jobs.get(job.id).token) / name for job in jobs]
    pairs = zip(*(read_frames(path, limits=limits) for path in paths), strict=True)
    assert np.mean([np.abs(one.astype(np.int16) - other).mean() for one, other in pairs]) < 8


@pytest.mark.parametrize(("task", "config", "first"), [("pose", POSE, 64), ("action", ACTION, 16)])
def test_a_killed_prediction_ends_as_one_that_was_not(
    store: Store, service: Service, task: str, config: dict[str, Any], first: int
) -> None:
    service.start()
    model = publish(store, task)
    undisturbed = predicting(store, task, model, num_frames=FRAMES, config=config)
    expected = succeeded(store, undisturbed)
    assert expected["left_out"] == []
    killed = predicting(store, task, model, num_frames=FRAMES, config=config)
    assert store.queue.ring(killed)
    runner = wait_for(lambda: next(iter(service.processes("workers.runner")), None), what="the runner")
    seen = under_way(store, killed, at_least=first)
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: store.jobs.get(killed.id).done, what="the end of the prediction", timeout_s=240)
    now = store.jobs.get(killed.id)
    assert (now.status, now.attempt) == ("succeeded", 2), now.error_message
    assert told(store, killed) == expected
    files, same = left(store, killed), left(store, undisturbed)
    assert files.keys() == same.keys() == set(expected["files"])
    assert [name for name in files if files[name] != same[name] and not name.endswith(".mp4")] == []
    for name in [name for name in files if name.endswith(".mp4")]:
        assert_alike(store, (killed, undisturbed), name)
    events = store.jobs.events(killed.id, limit=1000)
    again = [event.kind for event in events].index("handed_back")
    worked = [event.data for event in events[again:] if event.kind == "progress" and event.data["step"]]
    steps = [data["step"] for data in worked if data["phase"] in ("poses", "actions")]
    assert steps[0] > seen, "it went on from its pieces"
    assert not store.files.job_checkpoints(killed.id).exists()


def test_a_prediction_can_be_paused_cancelled_and_tried_again(store: Store, service: Service) -> None:
    service.start()
    model = publish(store, "pose")
    expected = succeeded(store, predicting(store, "pose", model, num_frames=FRAMES, config=POSE))
    job = predicting(store, "pose", model, num_frames=FRAMES, config=POSE)
    store.queue.ring(job)
    under_way(store, job, at_least=32)
    store.jobs.request_pause(job.id)
    wait_for(lambda: store.jobs.get(job.id).status == "paused", what="the pause", timeout_s=60)
    store.queue.ring(store.jobs.request_resume(job.id))
    under_way(store, job, at_least=320)
    store.jobs.request_cancel(job.id)
    wait_for(lambda: store.jobs.get(job.id).status == "cancelled", what="the cancellation", timeout_s=60)
    assert not service.processes("workers.runner")
    assert succeeded(store, store.jobs.request_retry(job.id)) == expected
