"""How many jobs wait, and for how long, against what was done to them by hand."""

from pfa_store.backlog import backlog
from pfa_store.specs import EvaluateSpec
from pfa_store.store import Store
from tests.integration.store.clock import Clock


def waiting(store: Store) -> dict[str, tuple[int, float]]:
    found = backlog(store.sessions, store.clock())
    return {queue: (one.num_jobs, one.oldest_s) for queue, one in found.items()}


def test_nothing_waits_at_first(store: Store) -> None:
    assert waiting(store) == {"flow": (0, 0.0), "train": (0, 0.0)}


def test_the_oldest_counts_since_it_was_queued_the_last_time(store: Store, clock: Clock) -> None:
    first = store.jobs.add("evaluate", EvaluateSpec(model="m"))
    clock.pass_s(100)
    store.jobs.add("evaluate", EvaluateSpec(model="m"))
    clock.pass_s(5)
    assert waiting(store)["train"] == (2, 105.0)
    claimed = store.jobs.claim(first.id, "a worker")
    assert claimed is not None
    assert waiting(store)["train"] == (1, 5.0)
    clock.pass_s(50)
    store.jobs.hand_back(claimed, "its worker was shut down")
    clock.pass_s(2)
    assert waiting(store)["train"] == (2, 57.0), "the second has waited longer now"
    assert waiting(store)["flow"] == (0, 0.0)
