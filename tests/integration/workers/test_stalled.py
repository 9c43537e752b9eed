"""A job that hangs is made to say where, and is given to the next worker."""

import os
import signal
import threading

from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.workers.service import processes_of
from tests.integration.workers.training import upload
from tests.waiting import wait_for
from workers.turn import run_job


def test_a_job_that_stands_still_leaves_its_stacks_and_is_handed_back(settings: Settings) -> None:
    """Its packing processes hang, as in a decoder; the runner itself lives and waits for them."""
    store = Store.open(settings.model_copy(update={"stall_s": 3.0, "max_attempts": 1}))
    videos = [upload(store, num_frames=1200, seed=seed).id for seed in range(2)]
    job = store.jobs.add("flow", FlowSpec(videos=videos, config={"short_side_px": 240}))

    def freeze() -> None:
        wait_for(lambda: store.jobs.get(job.id).total, what="the first report")
        for pid in processes_of(settings, "multiprocessing.spawn"):
            os.kill(pid, signal.SIGSTOP)

    thread = threading.Thread(target=freeze)
    thread.start()
    run_job(job.id, store)
    thread.join()
    job = store.jobs.get(job.id)
    assert (job.status, job.error_code) == ("failed", "worker_lost")
    assert job.error_message is not None
    assert "attempt 1: it made no progress for 3 s" in job.error_message.lower()
    log = store.files.job_log(job.id).read_text()
    assert "most recent call first" in log
    assert "in turn" in log, "the function that waits for the packing processes"
    assert processes_of(settings, "workers.runner") == {}
    store.close()
