"""A pretraining job on two devices: two processes under one supervisor, and one model in the end."""

import os
import signal

from pfa_store.store import Store
from tests.integration.workers.service import Service
from tests.integration.workers.training import trained_steps, training
from tests.waiting import wait_for

RANK = "pfa_core.rank_process"


def wait_until_done(store: Store, job_id: str) -> None:
    wait_for(lambda: store.jobs.get(job_id).done, what="the end of the job", timeout_s=240)


def test_two_processes_survive_a_shutdown_and_a_killed_runner_and_publish_one_model(
    store: Store, service: Service
) -> None:
    service.start()
    job = training(store, steps=500, devices=2)
    store.queue.ring(job)
    seen = trained_steps(store, job, at_least=5)
    (runner,) = service.processes("workers.runner")
    assert len(service.processes(RANK)) == 2
    assert {os.getpgid(pid) for pid in service.processes(RANK)} == {os.getpgid(runner)}
    service.stop()
    job = store.jobs.get(job.id)
    assert (job.status, job.attempt) == ("queued", 0), job

    service.start()
    again = trained_steps(store, job, at_least=seen + 1)
    (runner,) = service.processes("workers.runner")
    os.kill(runner, signal.SIGKILL)
    wait_for(lambda: runner not in service.processes(), what="the runner's death")
    wait_until_done(store, job.id)
    job = store.jobs.get(job.id)
    assert (job.status, job.attempt) == ("succeeded", 2), job
    assert again > seen
    (model,) = store.models.list()
    assert [version.job_id for version in store.models.versions(model.name)] == [job.id]
    assert not service.processes(RANK)


def test_a_cancelled_job_leaves_a_checkpoint_and_no_process(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=1_000_000, devices=2)
    store.queue.ring(job)
    trained_steps(store, job, at_least=1)
    store.jobs.request_cancel(job.id)
    wait_until_done(store, job.id)
    assert store.jobs.get(job.id).status == "cancelled"
    assert not service.processes("workers.runner")
    assert not service.processes(RANK)
    assert list((store.files.job_work(job.id) / "checkpoints").glob("*.json"))


def test_a_rank_that_dies_is_as_if_the_runner_had(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=120, devices=2)
    store.queue.ring(job)
    trained_steps(store, job, at_least=40)
    os.kill(max(service.processes(RANK)), signal.SIGKILL)
    wait_until_done(store, job.id)
    job = store.jobs.get(job.id)
    assert (job.status, job.attempt) == ("succeeded", 2), job
    assert "RankLost: Process" in store.files.job_log(job.id).read_text()
    events = store.jobs.events(job.id, limit=1000)
    again = [event.kind for event in events].index("handed_back")
    told = [event.data for event in events[again:] if event.kind == "progress"]
    assert next(data["step"] for data in told if data["phase"] == "train") > 20, "it went on from a checkpoint"
    assert not service.processes(RANK)


def test_more_devices_than_there_are_is_refused(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=2, devices=4096)
    store.queue.ring(job)
    wait_until_done(store, job.id)
    job = store.jobs.get(job.id)
    assert (job.status, job.error_code) == ("failed", "config_invalid"), job
    assert "devices is 4096" in (job.error_message or "")
