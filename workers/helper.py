"""What helps with the packs of a job, started by `workers.helping`: `python -m workers.helper JOB_ID PARENT_PID`."""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence

from pfa_core.lifeline import die_with
from pfa_store import logs
from pfa_store.settings import Settings
from pfa_store.store import Store
from workers.flow_packs import num_processes, pack_config_of, task_of
from workers.item_tasks import ItemTasks
from workers.packing import pack_from
from workers.sources import videos_of
from workers.stop_flag import StopFlag

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Take items until there are none; returns the exit status."""
    job_id, parent_pid = arguments
    die_with(int(parent_pid))
    stop = StopFlag()
    signal.signal(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the whole service, which passes it on
    settings = Settings()
    logs.configure(settings, role="helper")
    logs.bind(job_id=job_id)
    store = Store.open(settings, migrate=False, for_job=True)
    spec = store.jobs.get(job_id).request
    config = pack_config_of(spec)
    tasks = {source.video.id: task_of(store, source.video, config) for source in videos_of(store, spec)}
    worker = f"{socket.gethostname()}:{os.getpid()}"
    supply = ItemTasks(store, job_id, tasks, worker=worker, waits=False)
    logger.info("%s helps with job %s", worker, job_id)
    processes = num_processes(config, store.items.tally(job_id).waiting)
    with contextlib.closing(pack_from(supply, processes=processes)) as steps:
        for _ in steps:
            if stop.is_set:
                break
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
