"""Everything that outlives a process, behind one object."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from pfa_store.changes import Changes
from pfa_store.clock import clock_of
from pfa_store.collections import Collections
from pfa_store.database import Sessions, make_engine, upgrade
from pfa_store.datasets import Datasets
from pfa_store.deliveries import Deliveries
from pfa_store.files import Files
from pfa_store.idempotency import Idempotency
from pfa_store.images import Images
from pfa_store.items import Items
from pfa_store.jobs import Jobs
from pfa_store.keys import Keys
from pfa_store.models import Models
from pfa_store.packs import Packs
from pfa_store.queue import Doorbell
from pfa_store.quota import Quota
from pfa_store.settings import Settings
from pfa_store.uploads import Uploads
from pfa_store.videos import Videos
from pfa_store.webhooks import Webhooks
from pfa_store.workers import Workers


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
    items: Items
    workers: Workers
    models: Models
    collections: Collections
    keys: Keys
    webhooks: Webhooks
    deliveries: Deliveries
    idempotency: Idempotency
    queue: Doorbell
    clock: Callable[[], float]

    @classmethod
    def open(cls, settings: Settings, *, clock: Callable[[], float] | None = None, migrate: bool = True) -> Self:
        """Open the store, making folders and bringing tables up to date (`migrate`) first. `clock`: None: `clock_of`.

        Raises:
            StoreUnavailable: the database or the data folder does not answer.
        """
        files = Files(settings.data_dir, min_free_bytes=settings.min_free_bytes)
        files.create()
        engine = make_engine(settings.sqlalchemy_url)
        if migrate:
            upgrade(engine)
        sessions = Sessions(engine)
        clock = clock_of(engine) if clock is None else clock
        images = Images(files, settings)
        videos = Videos(sessions, files, settings, clock)
        quota = Quota(sessions, settings.quota_bytes)
        jobs = Jobs(sessions, settings, clock)
        return cls(
            settings=settings,
            sessions=sessions,
            changes=Changes(engine),
            files=files,
            videos=videos,
            quota=quota,
            uploads=Uploads(sessions, files, settings, clock, videos=videos, quota=quota),
            packs=Packs(sessions, files, clock),
            images=images,
            datasets=Datasets(sessions, files, images, clock),
            jobs=jobs,
            items=Items(sessions, settings, clock),
            workers=Workers(sessions, settings, clock),
            models=Models(sessions, files, clock),
            collections=Collections(sessions, files, clock),
            keys=Keys(sessions, files, clock),
            webhooks=Webhooks(sessions, settings, clock),
            deliveries=Deliveries(sessions, clock),
            idempotency=Idempotency(sessions, files, clock),
            queue=Doorbell(settings, jobs),
            clock=clock,
        )

    def ping(self) -> None:
        """Check that the database answers. Raises: StoreUnavailable."""
        self.sessions.ping()

    def close(self) -> None:
        """Give up the database connections."""
        self.changes.close()
        self.sessions.engine.dispose()
