"""The model host, with plain values for models and real threads."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from threading import Event

import pytest

from api.errors import ModelMemoryFull
from api.inference.host import FORGIVE_S, Host, Loaded
from pfa_core.errors import ModelDamaged

LONG_S = 30


class Shelf:
    """Names, what they mean, and what loads; counts the loading."""

    def __init__(self) -> None:
        self.means: dict[str, int] = {}
        self.damaged: set[int] = set()
        self.loads: list[int] = []
        self.gate: Event | None = None
        self.now_s = 0.0
        self.bytes: dict[int, int] = {}
        self.pinned: set[int] = set()
        self.outcomes: list[str] = []

    async def resolve(self, asked: str) -> int:
        return self.means[asked]

    def load(self, version: int) -> Loaded[str]:
        self.loads.append(version)
        if self.gate is not None:
            assert self.gate.wait(LONG_S)
        if version in self.damaged:
            raise ModelDamaged(f"version {version} does not read")
        return Loaded(f"model {version}", self.bytes.get(version, 1))

    async def named(self, versions: Collection[int]) -> Collection[int]:
        return self.pinned & set(versions)

    def host(self, *, limit: int = 4, max_bytes: int = 0) -> Host[str, int, str]:
        return Host(
            resolve=self.resolve,
            load=self.load,
            limit=limit,
            max_bytes=max_bytes,
            expect_bytes=lambda version: self.bytes.get(version, 1),
            pinned=self.named,
            on_load=lambda outcome, _seconds: self.outcomes.append(outcome),
            clock=lambda: self.now_s,
        )


def run(body: Callable[[Shelf], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(LONG_S):
            await body(Shelf())

    asyncio.run(bounded())


async def until(host: Host[str, int, str], asked: str, expected: int) -> None:
    """Ask until the switch has happened."""
    while (await host.get(asked))[0] != expected:  # noqa: ASYNC110  # the host has no event for it, requests just come
        await asyncio.sleep(0)


def test_a_model_is_loaded_once_for_all_who_wait() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means["walker"] = 1
        host = shelf.host()
        answers = await asyncio.gather(*(host.get("walker") for _ in range(5)))
        assert answers == [(1, "model 1")] * 5
        assert shelf.loads == [1]
        await host.close()

    run(body)


def test_a_moved_alias_is_served_by_the_old_version_until_the_new_one_is_ready() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means["walker@production"] = 1
        host = shelf.host()
        await host.get("walker@production")
        shelf.gate = Event()
        shelf.means["walker@production"] = 2
        assert await host.get("walker@production") == (1, "model 1")
        assert await host.get("walker@production") == (1, "model 1")
        shelf.gate.set()
        await until(host, "walker@production", 2)
        assert shelf.loads == [1, 2]
        await host.close()

    run(body)


def test_a_failed_load_keeps_the_old_one_and_is_not_repeated_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means["walker"] = 1
        host = shelf.host()
        await host.get("walker")
        shelf.means["walker"] = 2
        shelf.damaged = {2}
        while not caplog.records:  # as above
            assert await host.get("walker") == (1, "model 1")
            await asyncio.sleep(0)
        for _ in range(3):
            assert await host.get("walker") == (1, "model 1")
        assert shelf.loads == [1, 2]
        shelf.damaged = set()
        shelf.now_s = FORGIVE_S + 1
        await until(host, "walker", 2)
        await host.close()

    run(body)


def test_a_first_load_that_fails_is_the_caller_s_problem(caplog: pytest.LogCaptureFixture) -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means["walker"] = 1
        shelf.damaged = {1}
        host = shelf.host()
        with pytest.raises(ModelDamaged):
            await host.get("walker")
        shelf.damaged = set()
        assert await host.get("walker") == (1, "model 1")
        await host.close()

    run(body)


def test_the_least_recently_used_model_goes() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means = {"a": 1, "b": 2, "c": 3}
        host = shelf.host(limit=2)
        for name in ("a", "b", "a", "c"):
            await host.get(name)
        assert len(host) == 2
        await host.get("a")
        assert shelf.loads == [1, 2, 3]
        await host.get("b")
        assert shelf.loads == [1, 2, 3, 2]
        await host.close()

    run(body)


def test_a_caller_who_leaves_does_not_stop_the_load() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means["walker"] = 1
        shelf.gate = Event()
        host = shelf.host()
        impatient = asyncio.create_task(host.get("walker"))
        while not shelf.loads:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
        impatient.cancel()
        shelf.gate.set()
        assert await host.get("walker") == (1, "model 1")
        assert shelf.loads == [1]
        await host.close()

    run(body)


def test_the_least_recently_used_go_until_the_new_one_fits() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means = {"a": 1, "b": 2, "c": 3, "d": 4}
        shelf.bytes = {1: 40, 2: 30, 3: 30, 4: 60}
        host = shelf.host(max_bytes=100)
        for name in ("a", "b", "c", "d"):  # 60 + 30 + 30 > 100, so both a and b go
            await host.get(name)
        assert len(host) == 2
        await host.get("c")
        assert shelf.loads == [1, 2, 3, 4]
        await host.get("a")
        assert shelf.loads == [1, 2, 3, 4, 1]
        await host.close()

    run(body)


def test_models_that_an_alias_names_stay_and_what_does_not_fit_beside_them_is_refused() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means = {"a": 1, "b": 2, "c": 3}
        shelf.bytes = {1: 60, 2: 30, 3: 50}
        shelf.pinned = {1}
        host = shelf.host(max_bytes=100)
        for name in ("a", "b"):
            await host.get(name)
        with pytest.raises(ModelMemoryFull, match="PFA_MODEL_BYTES") as refused:
            await host.get("c")
        assert refused.value.facts == {"num_bytes": 50, "kept_bytes": 60, "max_bytes": 100}
        assert await host.get("a") == (1, "model 1")
        assert await host.get("b") == (2, "model 2")
        assert shelf.loads == [1, 2]
        shelf.pinned = set()
        assert await host.get("c") == (3, "model 3")
        assert shelf.outcomes == ["loaded", "loaded", "refused", "dropped", "loaded"]
        await host.close()

    run(body)


def test_a_model_larger_than_all_memory_is_refused_before_it_is_loaded() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means = {"a": 1}
        shelf.bytes = {1: 101}
        host = shelf.host(max_bytes=100)
        with pytest.raises(ModelMemoryFull):
            await host.get("a")
        assert shelf.loads == []
        await host.close()

    run(body)


def test_a_successor_without_room_leaves_the_old_one_answering() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means = {"a": 1}
        shelf.bytes = {1: 60, 2: 60}
        host = shelf.host(max_bytes=100)
        await host.get("a")
        shelf.means = {"a": 2}
        while "refused" not in shelf.outcomes:  # as above
            assert await host.get("a") == (1, "model 1")
            await asyncio.sleep(0)
        assert await host.get("a") == (1, "model 1")
        assert shelf.loads == [1]
        await host.close()

    run(body)


def test_with_too_many_models_those_that_an_alias_names_go_last() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means = {"a": 1, "b": 2, "c": 3, "d": 4}
        shelf.pinned = {1, 3, 4}
        host = shelf.host(limit=2)
        for name in ("a", "b", "c", "a", "d"):  # c takes b's place; d that of c, since a was used after it
            await host.get(name)
        assert shelf.loads == [1, 2, 3, 4]
        await host.get("a")
        assert shelf.loads == [1, 2, 3, 4]
        await host.close()

    run(body)


def test_following_loads_what_a_name_has_come_to_mean_without_a_request() -> None:
    async def body(shelf: Shelf) -> None:
        shelf.means = {"a@production": 1}
        host = shelf.host()
        await host.get("a@production")
        shelf.means = {"a@production": 2}
        while shelf.outcomes != ["loaded", "loaded"]:  # as above
            await host.follow()
            await asyncio.sleep(0)
        assert await host.get("a@production") == (2, "model 2")
        assert shelf.loads == [1, 2]
        await host.close()

    run(body)
