"""A flow job whose videos several workers share."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pfa_store.items import owner
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec, VideosSpec
from pfa_store.store import Store
from tests.integration.workers.service import Service, processes_of
from tests.integration.workers.training import PACK, upload
from tests.waiting import wait_for
from workers.flow_packs import pack_config_of, task_of
from workers.item_tasks import ItemTasks
from workers.pack_task import Refused
from workers.packing import pack_from
from workers.supervisor import environment_of


@pytest.fixture
def patient(settings: Settings) -> Iterator[Store]:
    """A store with long leases, for a test that holds an item without renewing it."""
    opened = Store.open(settings.model_copy(update={"lease_s": 600}))
    yield opened
    opened.close()


HELP = (
    "import sys; from pfa_store.settings import Settings; from pfa_store.store import Store;"
    "from workers.turn import help_job; help_job(sys.argv[1], Store.open(Settings()))"
)


def help_beside(store: Store, job: Job) -> "subprocess.Popen[bytes]":
    """What a Celery worker does that is called to help with the job."""
    return subprocess.Popen([sys.executable, "-c", HELP, job.id], env=environment_of(store.settings))


def flow_job(store: Store, *, num_videos: int, num_frames: int = 4) -> Job:
    videos = [upload(store, num_frames=num_frames, seed=seed).id for seed in range(num_videos)]
    return store.jobs.add("flow", FlowSpec(videos=videos, config=PACK))


def supply(store: Store, job: Job, worker: str, *, waits: bool = True) -> ItemTasks:
    """A worker's view of the job's items, which the first one records."""
    spec = job.request
    assert isinstance(spec, VideosSpec)
    tasks = {name: task_of(store, store.videos.get(name), pack_config_of(spec)) for name in spec.videos}
    if not store.items.all(job.id):
        store.items.enqueue(job, {name: task.pairs + 1 for name, task in tasks.items()})
    return ItemTasks(store, job.id, tasks, worker=worker, waits=waits)


def claimed(store: Store, job: Job) -> Job:
    held = store.jobs.claim(job.id, "this test")
    assert held is not None
    return held


def test_a_second_worker_takes_its_share(patient: Store) -> None:
    """The job's own runner holds one video for as long as it takes; the helper does all the others."""
    job = claimed(patient, flow_job(patient, num_videos=3))
    ours = supply(patient, job, owner(job))
    task = ours.take()
    assert task is not None
    helper = help_beside(patient, job)
    assert helper.wait(60) == 0
    by = {item.video_id: item.worker for item in patient.items.all(job.id) if item.status == "done"}
    assert len(by) == 2
    assert task.name not in by
    assert len(set(by.values())) == 1
    assert owner(job) not in by.values()
    assert ours.awaited()
    ours.done(task)
    assert not ours.awaited()
    assert sum(pack.finished for pack in patient.packs.list()) == 2
    assert ours.progress({}).step == ours.progress({}).total == 9
    assert processes_of(patient.settings, "workers.helper") == {}


def test_a_job_through_two_services(store: Store, service: Service) -> None:
    """Both serve the flow queue of one broker; the doorbell brings the second one in, or finds nothing left to do."""
    service.start()
    service.start()
    job = flow_job(store, num_videos=6, num_frames=40)
    assert store.queue.ring(job)
    job = wait_for(lambda: now if (now := store.jobs.get(job.id)).done else None, what="the job", timeout_s=120)
    assert (job.status, job.attempt, job.error_message) == ("succeeded", 1, None)
    assert job.result == {"packs": 6, "pairs": 6 * 39, "left_out": []}
    tally = store.items.tally(job.id)
    assert (tally.ended, tally.pairs_done) == (6, 6 * 39)


def test_nobody_helps_with_what_does_not_run(store: Store) -> None:
    done = flow_job(store, num_videos=1)
    store.jobs.request_cancel(done.id)
    assert help_beside(store, done).wait(60) == 0
    assert store.items.all(done.id) == ()


def test_a_helper_leaves_when_the_job_is_cancelled(store: Store, tmp_path: Path) -> None:
    job = claimed(store, flow_job(store, num_videos=1, num_frames=3000))
    supply(store, job, owner(job))
    helper = help_beside(store, job)
    wait_for(lambda: store.items.tally(job.id).running > 0, what="the helper's claim")
    store.jobs.request_cancel(job.id)
    assert helper.wait(30) == 0
    assert processes_of(store.settings, "workers.helper") == {}
    assert {(item.status, item.crashes) for item in store.items.all(job.id)} == {("queued", 0)}


def test_what_a_killed_helper_had_is_done_by_another(store: Store) -> None:
    """When its lease has run out: after four seconds, in these tests."""
    job = claimed(store, flow_job(store, num_videos=1, num_frames=2000))
    ours = supply(store, job, owner(job))
    helper = help_beside(store, job)
    wait_for(lambda: store.items.tally(job.id).running == 1, what="the helper's claim")
    assert ours.take() is None
    assert ours.awaited()
    (pid,) = processes_of(store.settings, "workers.helper")
    os.kill(pid, signal.SIGKILL)
    assert helper.wait(30) == 0
    task = wait_for(ours.take, what="the lease's end", timeout_s=20)
    ours.refuse(task, Refused("video_too_short", "for the test"))
    (item,) = store.items.all(job.id)
    assert (item.status, item.worker, item.token) == ("refused", owner(job), 2)


def test_a_video_that_crashes_is_tried_by_whoever_comes_next(store: Store) -> None:
    job = claimed(store, flow_job(store, num_videos=2))
    first, second = supply(store, job, "w1"), supply(store, job, "w2")
    for worker in (first, second):
        task = worker.take()
        assert task is not None
        worker.crashed(task)
    assert [(item.status, item.crashes) for item in store.items.all(job.id)].count(("refused", 2)) == 1
    for _ in pack_from(first, processes=1):
        pass
    assert sorted(item.status for item in store.items.all(job.id)) == ["done", "refused"]


@pytest.mark.parametrize("waits", [True, False])
def test_only_the_jobs_own_runner_waits_for_the_others(store: Store, waits: bool) -> None:
    job = claimed(store, flow_job(store, num_videos=1))
    other = supply(store, job, "w1")
    assert other.take() is not None
    assert supply(store, job, "w2", waits=waits).awaited() is waits
