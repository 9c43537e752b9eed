"""Which models are loaded. A model loads beside the requests, never in their way, and replaces its forerunner by
pointer: whoever asks for `walker@production` gets the old version until the new one is loaded and warm. Those that are
not used go when there are too many, or too large ones.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from api.errors import ModelMemoryFull
from pfa_core.errors import PfaError

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Hashable)
"""What is asked for, such as `walker@production` for pose: its meaning may change."""
V = TypeVar("V", bound=Hashable)
"""What that means now, such as version 3 of walker for pose: it never changes."""
P = TypeVar("P")
"""What a V is loaded as."""

FORGIVE_S = 30.0
"""A version that did not load is tried again after this long."""


@dataclass(frozen=True, slots=True)
class Loaded(Generic[P]):
    """A model and the memory that it takes."""

    model: P
    num_bytes: int


async def none_pinned(_versions: Collection[V]) -> Collection[V]:
    """Every model may go."""
    return ()


@dataclass(frozen=True, slots=True)
class Told:
    """What a host tells those who watch it."""

    num_models: int
    num_bytes: int


class Host(Generic[A, V, P]):
    """Keeps models loaded, the most recently used ones. All methods run in one event loop."""

    def __init__(
        self,
        *,
        resolve: Callable[[A], Awaitable[V]],
        load: Callable[[V], Loaded[P]],
        limit: int,
        max_bytes: int = 0,
        expect_bytes: Callable[[V], int] = lambda _version: 0,
        pinned: Callable[[Collection[V]], Awaitable[Collection[V]]] = none_pinned,
        on_change: Callable[[Told], None] = lambda _told: None,
        on_load: Callable[[str, float], None] = lambda _outcome, _seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        resolve: what an asked name means now.
        load: runs in a thread of the host; returns a model that is warm.
        limit: models that are kept; more only while requests still use them.
        max_bytes: memory that the kept ones may take together; 0: any.
        expect_bytes: what a version will take, before it is loaded; runs in a thread of the host.
        pinned: those of some versions that must not go for want of memory, and go last for want of places.
        on_change, on_load: called with what there is now; with `loaded`, `failed`, `refused` or `dropped`, and seconds.
        """
        self._resolve = resolve
        self._load = load
        self._limit = limit
        self._max_bytes = max_bytes
        self._expect_bytes = expect_bytes
        self._pinned = pinned
        self._on_change = on_change
        self._on_load = on_load
        self._clock = clock
        self._ready: OrderedDict[V, Loaded[P]] = OrderedDict()
        self._serving: dict[A, V] = {}
        self._loading: dict[V, asyncio.Task[P]] = {}
        self._failed_s: dict[V, float] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model-loader")

    def __len__(self) -> int:
        return len(self._ready)

    async def get(self, asked: A) -> tuple[V, P]:
        """The model that answers a request, and what it is.

        Where the name has come to mean another version, that one starts loading and the old one answers until then;
        where it does not load, the old one goes on answering.

        Raises:
            PfaError: `resolve` refused, or the model does not load and no older one is there.
            ModelMemoryFull: it would not fit, and no older one is there.
        """
        wanted = await self._resolve(asked)
        if wanted in self._ready:
            self._serving[asked] = wanted
            return wanted, self._use(wanted)
        served = self._serving.get(asked)
        if served is not None and served in self._ready:
            self._load_beside(wanted)
            return served, self._use(served)
        model = await asyncio.shield(self._started(wanted))
        self._serving[asked] = wanted
        return wanted, model

    async def follow(self) -> None:
        """Let every name that was asked for mean what it means now, also where nobody asks just now."""
        for asked, served in list(self._serving.items()):
            with contextlib.suppress(PfaError):  # who asks is told why
                wanted = await self._resolve(asked)
                if served in self._ready and wanted != served:
                    self._load_beside(wanted)

    async def close(self) -> None:
        """Wait for what is loading and end the thread."""
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        self._thread.shutdown()

    def _use(self, version: V) -> P:
        self._ready.move_to_end(version)
        return self._ready[version].model

    def _load_beside(self, version: V) -> None:
        if version not in self._ready and self._clock() >= self._failed_s.get(version, 0.0):
            task = self._started(version)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen; _run has logged it

    def _started(self, version: V) -> "asyncio.Task[P]":
        """The one task that loads a version, however many requests wait for it."""
        if version not in self._loading:
            self._loading[version] = asyncio.create_task(self._run(version))
        return self._loading[version]

    async def _run(self, version: V) -> P:
        loop, began_s = asyncio.get_running_loop(), self._clock()
        self._failed_s[version] = began_s + FORGIVE_S
        try:
            if self._max_bytes:
                expected = await loop.run_in_executor(self._thread, self._expect_bytes, version)
                await self._make_room(version, expected)
            loaded = await loop.run_in_executor(self._thread, self._load, version)
            if self._max_bytes:
                await self._make_room(version, loaded.num_bytes)
            await self._make_place()
        except PfaError as error:
            logger.error("%s does not load: %s", version, error)
            self._on_load("refused" if isinstance(error, ModelMemoryFull) else "failed", self._clock() - began_s)
            raise
        finally:
            del self._loading[version]
        del self._failed_s[version]
        self._ready[version] = loaded
        self._on_load("loaded", self._clock() - began_s)
        self._tell()
        return loaded.model

    @property
    def _num_bytes(self) -> int:
        return sum(loaded.num_bytes for loaded in self._ready.values())

    async def _make_room(self, version: V, num_bytes: int) -> None:
        """Drop the least recently used ones until a version fits; one that a name is just moving away from stays.

        Raises:
            ModelMemoryFull: it does not fit beside those that must stay.
        """
        left = {served for asked, served in list(self._serving.items()) if await self._means(asked, version)}
        staying = left | set(await self._pinned(list(self._ready)))
        kept = [loaded.num_bytes for other, loaded in self._ready.items() if other in staying]
        if sum(kept) + num_bytes > self._max_bytes:
            raise memory_full(num_bytes, kept_bytes=sum(kept), max_bytes=self._max_bytes, num_kept=len(kept))
        free = [other for other in self._ready if other not in staying]
        while self._num_bytes + num_bytes > self._max_bytes:
            self._drop(free.pop(0))

    async def _make_place(self) -> None:
        """Drop until there is a place for one more: the least recently used one, of those that no alias names first."""
        pinned = await self._pinned(list(self._ready))
        order = sorted(self._ready, key=lambda version: version in pinned)
        for version in order[: max(0, len(order) - self._limit + 1)]:
            self._drop(version)

    async def _means(self, asked: A, version: V) -> bool:
        try:
            return await self._resolve(asked) == version
        except PfaError:
            return False

    def _drop(self, version: V) -> None:
        """Requests that it answers just now still hold it; its memory is free once they are done."""
        del self._ready[version]
        self._on_load("dropped", 0.0)
        self._tell()

    def _tell(self) -> None:
        self._on_change(Told(len(self._ready), self._num_bytes))


def memory_full(num_bytes: int, *, kept_bytes: int, max_bytes: int, num_kept: int) -> ModelMemoryFull:
    """The error of a model that finds no place, with what can be done about it."""
    return ModelMemoryFull(
        f"The model takes {num_bytes} bytes; {max_bytes} may be used (PFA_MODEL_BYTES), and {kept_bytes} of them are"
        f" held by {num_kept} models that an alias names. Remove an alias that is not needed, or let the operator raise"
        " PFA_MODEL_BYTES.",
        num_bytes=num_bytes,
        kept_bytes=kept_bytes,
        max_bytes=max_bytes,
    )
