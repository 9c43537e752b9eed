"""How the service as a whole stands, for `/metrics`: of the database and the disk, not of one process."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from pfa_store.backlog import Backlog, backlog
from pfa_store.disk import disk_errors
from pfa_store.garbage.collection import CHORE
from pfa_store.garbage.piece import KINDS
from pfa_store.specs import QUEUES, Queue
from pfa_store.store import Store
from pfa_store.workers import WORKER_STATUSES, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    workers: Sequence[Worker]
    backlog: Mapping[Queue, Backlog]
    free_bytes: int
    """Of the data folder's disk."""
    reserve_bytes: int
    removed: Mapping[str, Mapping[str, int]]
    """What retention has removed: `pieces` and `bytes`, by kind."""


def standing_of(store: Store) -> Standing:
    """Raises: StoreUnavailable: the database or the data folder does not answer."""
    with disk_errors():
        free_bytes = shutil.disk_usage(store.files.root).free
    return Standing(
        workers=store.workers.list(),
        backlog=backlog(store.sessions, store.clock()),
        free_bytes=free_bytes,
        reserve_bytes=store.settings.min_free_bytes,
        removed=store.chores.tally(CHORE),
    )


def families_of(standing: Standing) -> list[Metric]:
    """As Prometheus reads it."""
    workers = GaugeMetricFamily("pfa_workers", "Workers that do jobs", labels=["queue", "status"])
    waiting = GaugeMetricFamily("pfa_jobs_waiting", "Jobs that no worker has taken yet", labels=["queue"])
    oldest = GaugeMetricFamily(
        "pfa_oldest_job_seconds", "How long the job has waited that waits longest; 0: none waits", labels=["queue"]
    )
    for queue in QUEUES:
        waiting.add_metric([queue], standing.backlog[queue].num_jobs)
        oldest.add_metric([queue], standing.backlog[queue].oldest_s)
        for status in WORKER_STATUSES:
            count = sum(worker.queue == queue and worker.status == status for worker in standing.workers)
            workers.add_metric([queue, status], count)
    free = GaugeMetricFamily("pfa_disk_free_bytes", "Free space of the data folder's disk", standing.free_bytes)
    reserve = GaugeMetricFamily(
        "pfa_disk_reserve_bytes", "Uploads are refused below this (PFA_MIN_FREE_BYTES)", standing.reserve_bytes
    )
    return [workers, waiting, oldest, free, reserve, *_removed(standing.removed)]


def _removed(tally: Mapping[str, Mapping[str, int]]) -> list[Metric]:
    told = {"pieces": "Pieces removed after their time", "bytes": "Bytes removed after their time"}
    families: list[Metric] = []
    for unit, meaning in told.items():
        family = CounterMetricFamily(f"pfa_removed_{unit}", meaning, labels=["kind"])
        for kind in KINDS:
            family.add_metric([kind], tally.get(unit, {}).get(kind, 0))
        families.append(family)
    return families
