"""Jobs that know the service they run on: `job.wait()` instead of `pfa.wait(job.id)`."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Self

from pfa_client.records import Job, JobEvent

if TYPE_CHECKING:
    from pfa_client.client import AsyncClient, Client

OnProgress = Callable[[Job], None]


class LiveJob(Job):
    """A job as `Client` gives it; its data are those of the moment it was asked for."""

    __slots__ = ("_pfa",)
    _pfa: "Client"

    @classmethod
    def of(cls, job: Job, pfa: "Client") -> Self:
        """The same data, and the service they came from."""
        live = cls(**{each.name: getattr(job, each.name) for each in fields(job)})
        object.__setattr__(live, "_pfa", pfa)  # the record is frozen
        return live

    def refresh(self) -> "LiveJob":
        """As it is now."""
        return self._pfa.job(self.id)

    def wait(
        self, on_progress: OnProgress | None = None, *, progress: bool = True, timeout_s: float | None = None
    ) -> "LiveJob":
        """As it is once it is done, however it ended; see `Client.wait`. `progress`: with a bar on stderr."""
        return self._pfa.wait(self.id, on_progress, progress=progress, timeout_s=timeout_s)

    def events(self, *, after: int = 0) -> Iterator[JobEvent]:
        """What has happened and what happens until it is done; see `Client.follow`."""
        return self._pfa.follow(self.id, after=after)

    def cancel(self) -> "LiveJob":
        """Ask it to stop."""
        return self._pfa.cancel(self.id)

    def pause(self) -> "LiveJob":
        """Ask it to write a checkpoint and wait."""
        return self._pfa.pause(self.id)

    def resume(self) -> "LiveJob":
        """Let it go on from its checkpoint."""
        return self._pfa.resume(self.id)

    def retry(self) -> "LiveJob":
        """Do it again, from its last checkpoint on."""
        return self._pfa.retry(self.id)

    def log(self, *, tail: int | None = None) -> str:
        """What its processes wrote."""
        return self._pfa.job_log(self.id, tail=tail)


class AsyncLiveJob(Job):
    """A job as `AsyncClient` gives it: the methods of `LiveJob`, awaited."""

    __slots__ = ("_pfa",)
    _pfa: "AsyncClient"

    @classmethod
    def of(cls, job: Job, pfa: "AsyncClient") -> Self:
        """The same data, and the service they came from."""
        live = cls(**{each.name: getattr(job, each.name) for each in fields(job)})
        object.__setattr__(live, "_pfa", pfa)  # the record is frozen
        return live

    async def refresh(self) -> "AsyncLiveJob":
        """As it is now."""
        return await self._pfa.job(self.id)

    async def wait(
        self, on_progress: OnProgress | None = None, *, progress: bool = True, timeout_s: float | None = None
    ) -> "AsyncLiveJob":
        """As it is once it is done, however it ended; see `Client.wait`. `progress`: with a bar on stderr."""
        return await self._pfa.wait(self.id, on_progress, progress=progress, timeout_s=timeout_s)

    def events(self, *, after: int = 0) -> AsyncIterator[JobEvent]:
        """What has happened and what happens until it is done; see `Client.follow`."""
        return self._pfa.follow(self.id, after=after)

    async def cancel(self) -> "AsyncLiveJob":
        """Ask it to stop."""
        return await self._pfa.cancel(self.id)

    async def pause(self) -> "AsyncLiveJob":
        """Ask it to write a checkpoint and wait."""
        return await self._pfa.pause(self.id)

    async def resume(self) -> "AsyncLiveJob":
        """Let it go on from its checkpoint."""
        return await self._pfa.resume(self.id)

    async def retry(self) -> "AsyncLiveJob":
        """Do it again, from its last checkpoint on."""
        return await self._pfa.retry(self.id)

    async def log(self, *, tail: int | None = None) -> str:
        """What its processes wrote."""
        return await self._pfa.job_log(self.id, tail=tail)
