"""Workers clear away without a pause while they work, with hardly any time to keep things, and lose nothing."""

import pytest

from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.workers.service import Service
from tests.integration.workers.test_pausing import checkpoints, steps_of_last_attempt
from tests.integration.workers.test_service import done
from tests.integration.workers.training import PACK, trained_steps, training, upload
from tests.waiting import wait_for

AT_ONCE = 1e-7
"""Days."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    kept = dict.fromkeys(("keep_history_days", "keep_files_days", "keep_packs_days", "keep_audit_days"), AT_ONCE)
    return settings.model_copy(update={**kept, "pack_bytes": 1, "gc_every_s": 0.01})


def num_sweeps(store: Store) -> int:
    return int(store.chores.tally("gc").get("sweeps", 0))


def test_jobs_go_on_and_only_what_is_over_goes(store: Store, service: Service) -> None:
    service.start()
    job = training(store, steps=120)
    store.queue.ring(job)
    seen = trained_steps(store, job, at_least=5)
    store.jobs.request_pause(job.id)
    wait_for(lambda: store.jobs.get(job.id).status == "paused", what="the pause")
    log = store.files.job_log(job.id).read_bytes()
    before = num_sweeps(store)
    wait_for(lambda: num_sweeps(store) > before + 1, what="two sweeps while it is paused")
    assert checkpoints(store, job)
    assert store.files.job_log(job.id).read_bytes() == log
    assert len([pack for pack in store.packs.list() if pack.finished and not pack.mapped]) == 2
    store.jobs.request_cancel(job.id)  # it may be tried again: its history goes, what it goes on from does not
    wait_for(lambda: store.jobs.get(job.id).history_gone_s, what="the end of its history")
    wait_for(lambda: not list(store.packs.list()), what="the end of its packs, which can be made again")
    assert checkpoints(store, job)
    store.queue.ring(store.jobs.request_retry(job.id))
    wait_for(lambda: num_sweeps(store) > before + 2, what="a sweep beside it")
    other = store.jobs.add("flow", FlowSpec(videos=[upload(store, num_frames=40, seed=9).id], config=PACK))
    store.queue.ring(other)
    assert done(store, other).status == "succeeded"
    finished = wait_for(lambda: now if (now := store.jobs.get(job.id)).done else None, what="its end", timeout_s=240)
    assert (finished.status, finished.attempt) == ("succeeded", 1)
    claimed = [event for event in store.jobs.events(job.id, limit=1000) if event.kind == "claimed"]
    assert not claimed or steps_of_last_attempt(store, job) > seen  # unless its history has gone already
    model = store.models.of_job(job.id)
    assert model is not None
    assert (store.models.folder(model) / "model.safetensors").is_file()
    wait_for(lambda: store.jobs.get(job.id).history_gone_s, what="the end of its history")
    assert num_sweeps(store) > before + 3
    assert len(store.videos.list().items) == 3
