"""Workers say that they are there; who falls silent is lost, and forgotten after a while."""

from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from pfa_store.workers import KEPT_S, Worker
from tests.integration.store.clock import Clock


def enter(store: Store) -> Worker:
    return store.workers.enter("flow", host="here", pid=7, version="1.2")


def statuses(store: Store) -> list[str]:
    return [worker.status for worker in store.workers.list()]


def test_a_worker_is_idle_until_it_has_a_job(store: Store, clock: Clock) -> None:
    worker = enter(store)
    assert store.workers.list() == (worker,)
    assert (worker.host, worker.pid, worker.queue, worker.version) == ("here", 7, "flow", "1.2")
    assert (worker.started_s, worker.seen_s, worker.status) == (clock(), clock(), "idle")
    held = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=["v"])).id, "w")
    assert held is not None
    store.workers.does(worker.id, held.id)
    assert [(one.status, one.job_id) for one in store.workers.list()] == [("busy", held.id)]
    store.workers.does(worker.id, None)
    assert statuses(store) == ["idle"]


def test_a_job_that_is_over_is_nobodys(store: Store) -> None:
    """A pool process that died could not say that it is through with it."""
    worker = enter(store)
    held = store.jobs.claim(store.jobs.add("flow", FlowSpec(videos=["v"])).id, "w")
    assert held is not None
    store.workers.does(worker.id, held.id)
    store.jobs.succeed(held, {})
    assert [(one.status, one.job_id) for one in store.workers.list()] == [("idle", None)]


def test_who_falls_silent_is_lost_and_then_forgotten(store: Store, clock: Clock) -> None:
    silent = enter(store)
    clock.pass_s(60)
    assert statuses(store) == ["idle"]
    clock.pass_s(0.1)
    alive = enter(store)
    assert statuses(store) == ["lost", "idle"]
    clock.pass_s(KEPT_S - 60.2)
    store.workers.beat(alive)
    store.workers.forget(clock())
    assert statuses(store) == ["lost", "idle"]
    clock.pass_s(61)
    store.workers.forget(clock())
    assert [one.id for one in store.workers.list()] == [alive.id]
    store.workers.beat(silent)
    listed = store.workers.list()
    assert [(one.id, one.status, one.started_s) for one in listed] == [
        (silent.id, "idle", silent.started_s),
        (alive.id, "lost", alive.started_s),
    ]


def test_who_leaves_is_gone_at_once(store: Store) -> None:
    worker = enter(store)
    store.workers.leave(worker)
    assert store.workers.list() == ()
