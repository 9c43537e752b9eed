"""Does a job: `python -m workers.runner JOB_ID TOKEN PARENT_PID [TRACEPARENT]`. A supervisor starts and watches it.

torch is imported here, by the handlers, and nowhere else among the workers.
"""

import contextlib
import faulthandler
import logging
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module

from pfa_core.errors import PfaError, RankLost
from pfa_core.lifeline import die_with
from pfa_core.progress import Progress
from pfa_store import logs
from pfa_store.database import locked
from pfa_store.errors import LostLease, StoreUnavailable
from pfa_store.job_origin import fields_of
from pfa_store.settings import Settings
from pfa_store.specs import JobKind
from pfa_store.store import Store
from pfa_store.traces import traces_of
from workers.outcome import NOT_OURS, STOPPED, Outcome
from workers.phase_spans import PhaseSpans
from workers.reporter import Reporter
from workers.stop_flag import StopFlag
from workers.work import Handler, JobResult, Work

HANDLERS: Mapping[JobKind, str] = {
    "flow": "workers.handlers.flow",
    "pretrain": "workers.handlers.pretrain",
    "finetune": "workers.handlers.finetune",
    "evaluate": "workers.handlers.evaluate",
    "index": "workers.handlers.index",
    "tables": "workers.handlers.tables",
    "predict": "workers.handlers.predict",
}
"""Each module has one `handle`; it is imported only when its job comes."""

logger = logging.getLogger(__name__)


class Stopped(Exception):  # not an error: the job was asked to stop and did
    """The job was asked to stop, and its recipe has written its checkpoint."""


def main(arguments: Sequence[str]) -> int:
    """Do the job; returns the exit status."""
    job_id, token, parent_pid, *traceparent = arguments
    die_with(int(parent_pid))
    stop = StopFlag()
    signal.signal(signal.SIGTERM, stop.set)
    faulthandler.enable()  # what crashes leaves its stacks in the log, and so does
    faulthandler.register(signal.SIGUSR1)  # what hangs, once its supervisor asks for them
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the whole service; the supervisor passes it on
    settings = Settings()
    logs.configure(settings, role="runner")
    store = Store.open(settings, migrate=False, for_job=True)
    job = store.jobs.get(job_id)
    if job.token != int(token) or not job.held:
        return NOT_OURS
    logs.bind(**fields_of(job, store.jobs.origin(job.id)))
    work = Work(job=job, store=store)
    logger.info("attempt %d of job %s (%s) begins", job.attempt, job.id, job.kind)
    try:
        with (
            traces_of(settings, role="runner") as traces,
            contextlib.closing(PhaseSpans(traces, *traceparent)) as spans,
            _alone(work),
        ):
            outcome = _outcome_of(work, stop, spans)
    except Stopped:
        logger.info("stopped as asked")
        return STOPPED
    except LostLease as lost:
        logger.warning("%s", lost)
        return NOT_OURS
    outcome.write(store.files, work.out)
    logger.info("attempt %d ends: %s", job.attempt, outcome.code or "succeeded")
    return 0


@contextlib.contextmanager
def _alone(work: Work) -> Iterator[None]:
    """Hold the job's folder: an earlier attempt that somehow still lives is waited for, not written beside."""
    work.folder.mkdir(parents=True, exist_ok=True)
    work.out.mkdir(parents=True, exist_ok=True)
    with locked(work.store.files.job(work.job.id) / ".lock"):
        yield


def _outcome_of(work: Work, stop: StopFlag, spans: PhaseSpans) -> Outcome:
    """Run the handler. The one broad `except` of the house: a job must not vanish with a traceback.

    Raises:
        Stopped: it was asked to stop.
        LostLease: the job is in other hands.
        StoreUnavailable: the database or the disk does not answer; the job is tried again.
        RankLost: one of its processes died; as if this one had, the job goes on from its checkpoint.
    """
    try:
        handler: Handler = import_module(HANDLERS[work.job.kind]).handle
        result = _listen(handler, work, stop, spans)
        left = work.store.files.job_files(work.job.id, work.job.token)
        if left.is_dir():
            work.store.files.shelf.publish(left)
        return Outcome(result=result)
    except (Stopped, LostLease, StoreUnavailable, RankLost):
        raise
    except PfaError as error:
        logger.exception("the job failed")
        return Outcome.of(error)
    except Exception as error:
        logger.exception("the job crashed")
        if stop.is_set:  # while it was stopping: what the last checkpoint holds is what there is
            raise Stopped from error
        return Outcome.of(error)


def _listen(handler: Handler, work: Work, stop: StopFlag, spans: PhaseSpans) -> JobResult:
    """Take the recipe's steps one by one, between which it can be stopped."""
    report = Reporter(partial(work.store.jobs.progress, work.job), time.monotonic)
    with contextlib.closing(handler(work)) as steps:
        while True:
            try:
                progress: Progress = next(steps)
            except StopIteration as end:
                return end.value
            if stop.is_set:
                steps.close()
                raise Stopped
            report(progress)
            spans(progress)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
