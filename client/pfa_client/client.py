"""The clients: one method a call of the service, written once for both."""

from collections.abc import AsyncIterator, Iterator

from pfa_client.async_wire import AsyncWire
from pfa_client.datasets import DatasetCalls
from pfa_client.jobs import JobCalls
from pfa_client.live_jobs import AsyncLiveJob, LiveJob
from pfa_client.models import ModelCalls
from pfa_client.operation import OperationCalls
from pfa_client.pages import Pages
from pfa_client.predictions import PredictionCalls
from pfa_client.records import Job
from pfa_client.sync_wire import SyncWire
from pfa_client.transport import Steps
from pfa_client.uploads import UploadCalls
from pfa_client.webhooks import WebhookCalls


class Calls(DatasetCalls, JobCalls, ModelCalls, OperationCalls, PredictionCalls, UploadCalls, WebhookCalls):
    """Every call of the service."""


class Client(Calls, SyncWire):
    """A PFA service at `url`.

    Calls that may be sent twice without harm are sent again after connection errors, 429 and 503.
    Every method raises ProblemError when the service refuses and ServiceUnreachable when it does not answer.
    """

    def _run_job(self, steps: Steps[Job]) -> LiveJob:
        return LiveJob.of(self._run(steps), self)

    def _job_pages(self, pages: Pages[Job]) -> Iterator[LiveJob]:
        return (LiveJob.of(job, self) for job in self._pages(pages))


class AsyncClient(Calls, AsyncWire):
    """The same service and the same calls, awaited: `async with AsyncClient(url, key) as pfa: await pfa.job(id)`.

    Lists are asynchronous iterators. Any number of calls may be under way at once.
    """

    async def _run_job(self, steps: Steps[Job]) -> AsyncLiveJob:
        return AsyncLiveJob.of(await self._run(steps), self)

    async def _job_pages(self, pages: Pages[Job]) -> AsyncIterator[AsyncLiveJob]:
        async for job in self._pages(pages):
            yield AsyncLiveJob.of(job, self)
