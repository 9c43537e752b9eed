"""Which models are loaded. A model loads beside the requests, never in their way, and replaces its forerunner by
pointer: whoever asks for `walker@production` gets the old version until the new one is loaded and warm.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

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


class Host(Generic[A, V, P]):
    """Keeps up to `limit` models loaded, the most recently used ones. All methods run in one event loop."""

    def __init__(
        self,
        *,
        resolve: Callable[[A], Awaitable[V]],
        load: Callable[[V], P],
        limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        resolve: what an asked name means now.
        load: runs in a thread of the host; returns a model that is warm.
        """
        self._resolve = resolve
        self._load = load
        self._limit = limit
        self._clock = clock
        self._ready: OrderedDict[V, P] = OrderedDict()
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

    async def close(self) -> None:
        """Wait for what is loading and end the thread."""
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        self._thread.shutdown()

    def _use(self, version: V) -> P:
        self._ready.move_to_end(version)
        return self._ready[version]

    def _load_beside(self, version: V) -> None:
        if self._clock() >= self._failed_s.get(version, 0.0):
            task = self._started(version)
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen; _run has logged it

    def _started(self, version: V) -> "asyncio.Task[P]":
        """The one task that loads a version, however many requests wait for it."""
        if version not in self._loading:
            self._loading[version] = asyncio.create_task(self._run(version))
        return self._loading[version]

    async def _run(self, version: V) -> P:
        self._failed_s[version] = self._clock() + FORGIVE_S
        try:
            model = await asyncio.get_running_loop().run_in_executor(self._thread, self._load, version)
        except PfaError as error:
            logger.error("%s does not load: %s", version, error)
            raise
        finally:
            del self._loading[version]
        del self._failed_s[version]
        self._ready[version] = model
        while len(self._ready) > self._limit:
            self._ready.popitem(last=False)
        return model
