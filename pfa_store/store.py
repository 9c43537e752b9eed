"""Everything that outlives a process, behind one object."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pfa_core.errors import PfaError
from pfa_store.cache import Cache
from pfa_store.changes import Changes
from pfa_store.chores import Chores
from pfa_store.clock import clock_of
from pfa_store.collections import Collections
from pfa_store.database import Sessions, check_known, make_engine, upgrade
from pfa_store.datasets import Datasets
from pfa_store.deliveries import Deliveries
from pfa_store.files import Files
from pfa_store.garbage.collection import GarbageCollection
from pfa_store.garbage.sweeper import Sweeper
from pfa_store.host_locks import HostLocks
from pfa_store.idempotency import Idempotency
from pfa_store.images import Images
from pfa_store.items import Items
from pfa_store.job_view import JobViews
from pfa_store.jobs import Jobs
from pfa_store.keys import Keys
from pfa_store.models import Models
from pfa_store.object_shelf import ObjectShelf
from pfa_store.objects import Objects
from pfa_store.packs import Packs
from pfa_store.queue import Doorbell
from pfa_store.quota import Quota
from pfa_store.settings import Settings
from pfa_store.uploads import Uploads
from pfa_store.videos import Videos
from pfa_store.webhooks import Webhooks
from pfa_store.workers import Workers

JOB_PATIENCE_S = 600.0
"""How long a job waits for an object store that is away before its attempt ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """All sub-stores over one database and one data folder. Safe to share between threads, not across a fork."""

    settings: Settings
    sessions: Sessions
    changes: Changes
    files: Files
    videos: Videos
    quota: Quota
    uploads: Uploads
    packs: Packs
    images: Images
    datasets: Datasets
    jobs: Jobs
    objects: Objects | None
    """Where hosts share no folder: the object store."""
    views: JobViews
    items: Items
    workers: Workers
    models: Models
    collections: Collections
    keys: Keys
    webhooks: Webhooks
    deliveries: Deliveries
    idempotency: Idempotency
    chores: Chores
    sweeper: Sweeper
    queue: Doorbell
    clock: Callable[[], float]

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        clock: Callable[[], float] | None = None,
        migrate: bool = True,
        for_job: bool = False,
    ) -> Self:
        """Open the store, making folders and bringing tables up to date (`migrate`) first. `clock`: None: `clock_of`.

        `for_job`: for the process of one job, which waits for an object store that is away, and uses until its end the
        files that it asked for.

        Raises:
            StoreUnavailable: the database or the data folder does not answer.
            StoreTooNew: a newer version has migrated the database.
        """
        engine = make_engine(settings.sqlalchemy_url)
        objects = Objects(settings, patience_s=JOB_PATIENCE_S if for_job else 0.0) if settings.objects_url else None
        files = _files(settings, HostLocks(engine), objects, for_job=for_job)
        if migrate:
            try:
                upgrade(engine)
            except PfaError:
                engine.dispose()
                raise
        sessions = Sessions(engine)
        clock = clock_of(engine) if clock is None else clock
        images = Images(files, settings)
        videos = Videos(sessions, files, settings, clock)
        quota = Quota(sessions, settings.quota_bytes)
        jobs = Jobs(sessions, settings, clock)
        packs = Packs(sessions, files, clock)
        return cls(
            settings=settings,
            sessions=sessions,
            changes=Changes(engine),
            files=files,
            videos=videos,
            quota=quota,
            uploads=Uploads(sessions, files, settings, clock, videos=videos, quota=quota),
            packs=packs,
            images=images,
            datasets=Datasets(sessions, files, images, clock),
            jobs=jobs,
            objects=objects,
            views=JobViews(files, objects),
            items=Items(sessions, settings, clock),
            workers=Workers(sessions, settings, clock),
            models=Models(sessions, files, clock),
            collections=Collections(sessions, files, clock),
            keys=Keys(sessions, files, clock),
            webhooks=Webhooks(sessions, settings, clock),
            deliveries=Deliveries(sessions, clock),
            idempotency=Idempotency(sessions, files, clock),
            chores=Chores(sessions, clock),
            sweeper=Sweeper(sessions, files, packs, settings, clock, objects=objects),
            queue=Doorbell(settings, jobs),
            clock=clock,
        )

    def garbage_collection(self) -> GarbageCollection:
        """A sweep as a chore, not begun yet."""
        every_s = self.settings.gc_every_s
        return GarbageCollection(self.chores, self.sweeper, every_s=every_s, clock=self.clock)

    def ping(self) -> None:
        """Check that the database answers. Raises: StoreUnavailable."""
        self.sessions.ping()

    def check_known(self) -> None:
        """Check that no newer version has migrated the database since. Raises: StoreTooNew, StoreUnavailable."""
        check_known(self.sessions.engine)

    def close(self) -> None:
        """Give up the connections."""
        self.changes.close()
        self.files.shelf.close()
        self.sessions.engine.dispose()


def _files(settings: Settings, locks: HostLocks, objects: Objects | None, *, for_job: bool) -> Files:
    """The data folder, with its folders; what is published lies in it, or in the object store."""
    if objects is None:
        files = Files(settings.data_dir, min_free_bytes=settings.min_free_bytes)
        files.create()
        return files
    root = settings.data_dir.resolve()
    cache = Cache(root, max_bytes=settings.cache_bytes)
    shelf = ObjectShelf(root, objects, cache, for_job=for_job)
    files = Files(root, min_free_bytes=settings.min_free_bytes, shelf=shelf, between_hosts=locks.lock)
    files.create()
    cache.create()
    return files
