"""What a fault has to work on: the service, its customer, and the chance that decides victims and moments."""

import random
import threading
from dataclasses import dataclass

from pfa_store.errors import StoreUnavailable
from pfa_store.job_record import Job
from tests.chaos.stack import Stack
from tests.chaos.work import Customer, Wanted
from tests.processes import command_of
from tests.waiting import wait_for

AT_REST = ("succeeded", "failed", "cancelled", "paused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One round."""

    stack: Stack
    customer: Customer
    rng: random.Random
    scale: float
    """How long faults last that last: 1 for the short form."""

    def some_time(self, longest_s: float) -> None:
        """Let a random time pass: a fault's moment, or how long it lasts; nothing is waited for."""
        threading.Event().wait(self.rng.uniform(0, longest_s))

    def look(self, wanted: Wanted) -> Job:
        """The job as it is now; the database may be away for a while."""

        def read() -> Job | None:
            try:
                return self.stack.store.jobs.get(wanted.id)
            except StoreUnavailable:
                return None

        return wait_for(read, timeout_s=60, what="the database")

    def busy(self) -> list[Job]:
        """The jobs that some worker has."""
        return [job for job in map(self.look, self.customer.jobs) if job.held]

    def in_training(self, *, at_least: int = 1) -> tuple[Job, int]:
        """A job that has made so many steps of training, and its runner; there is a new job if all are through."""

        def found() -> tuple[Job, int] | None:
            jobs = [job for job in self.busy() if job.status == "running" and job.phase == "train"]
            self.rng.shuffle(jobs)
            for job in jobs:
                if at_least <= job.step < job.total - 40 and (runner := self.runner_of(job)) is not None:
                    return job, runner
            if not any(job.queue == "train" and not job.done for job in map(self.look, self.customer.jobs)):
                self.customer.train("pretrain")
            return None

        return wait_for(found, timeout_s=300, what="a job in training")

    def runner_of(self, job: Job) -> int | None:
        """The process that does the job's newest attempt."""
        wanted = [job.id.encode(), str(job.token).encode()]
        for pid in self.stack.pids("runner"):
            words = command_of(pid).split(b"\0")
            if all(word in words for word in wanted):
                return pid
        return None
