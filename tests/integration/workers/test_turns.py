"""A bell is rung for one job and used for another: none is forgotten."""

from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.broker import Broker
from tests.integration.workers.service import Service
from tests.integration.workers.test_service import done
from tests.integration.workers.training import PACK, upload
from tests.waiting import wait_for


def test_any_bell_starts_the_job_whose_turn_it_is(store: Store, service: Service) -> None:
    """One was never rung for, one was cancelled after it was rung for: as many bells as jobs are left, by chance."""
    video = upload(store, num_frames=4, seed=1)
    jobs = {
        name: store.jobs.add("flow", FlowSpec(videos=[video.id], config=PACK, priority=priority), key_id=key)
        for name, priority, key in [
            ("low", -5, "a"), ("first of a", 0, "a"), ("second of a", 0, "a"), ("cancelled", 0, "b"), ("high", 9, "a"),
        ]
    }  # fmt: skip
    for name in ("low", "first of a", "second of a", "cancelled"):
        assert store.queue.ring(jobs[name])
    store.jobs.request_cancel(jobs.pop("cancelled").id)
    service.start()
    finished = {name: done(store, job) for name, job in jobs.items()}
    assert {job.status for job in finished.values()} == {"succeeded"}
    order = sorted(finished, key=lambda name: finished[name].started_s or 0.0)
    assert order == ["high", "first of a", "second of a", "low"]


def test_an_idle_worker_that_lost_the_broker_comes_back(store: Store, service: Service, broker: Broker) -> None:
    service.start()
    video = upload(store, num_frames=4, seed=1)
    for _ in range(2):
        job = store.jobs.add("flow", FlowSpec(videos=[video.id], config=PACK))
        store.queue.ring(job)
        assert done(store, job).status == "succeeded"
        broker.stop()
        broker.start()


def test_workers_are_listed_with_what_they_do(store: Store, service: Service) -> None:
    service.start()
    wait_for(lambda: len(store.workers.list()) == 2, what="two workers")
    assert [(worker.queue, worker.status) for worker in store.workers.list()] == [("flow", "idle"), ("train", "idle")]
    job = store.jobs.add(
        "flow",
        FlowSpec(videos=[upload(store, num_frames=900, seed=1).id], config={"short_side_px": 128}),
    )
    store.queue.ring(job)
    wait_for(lambda: store.workers.list()[0].job_id == job.id, what="a busy worker")
    assert [worker.status for worker in store.workers.list()] == ["busy", "idle"]
    store.jobs.request_cancel(job.id)
    wait_for(lambda: [worker.status for worker in store.workers.list()] == ["idle", "idle"], what="idle workers")
    first = store.workers.list()[0].seen_s
    wait_for(lambda: store.workers.list()[0].seen_s > first, what="a sign of life")
