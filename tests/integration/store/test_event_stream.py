"""A stream of events over a real store: replay, signs of life while nothing happens, and its end."""

import asyncio

import pytest

from api.event_stream import follow
from pfa_store.errors import JobNotFound
from pfa_store.store import Store


def test_silence_is_filled_with_comments_until_the_job_is_done(store: Store) -> None:
    job = store.jobs.add("evaluate", {"dataset": "d", "model": "m"})

    async def read() -> list[str]:
        seen: list[str] = []
        async for text in follow(store.jobs, job.id, after=0, sign_of_life_s=0.0):
            assert text.endswith("\n\n"), "a message ends with an empty line"
            seen.append(text.splitlines()[0])
            if seen.count(": still here") == 2:
                store.jobs.request_cancel(job.id)
        return seen

    seen = asyncio.run(asyncio.wait_for(read(), 60))
    ids = [f"id: {event.id}" for event in store.jobs.events(job.id)]
    comments = [line for line in seen if line == ": still here"]
    assert len(comments) >= 2
    assert [line for line in seen if line not in comments] == [ids[0], ids[1], "event: done"]


def test_a_job_that_is_done_is_replayed_from_any_event_and_ends(store: Store) -> None:
    job = store.jobs.add("evaluate", {"dataset": "d", "model": "m"})
    store.jobs.request_cancel(job.id)
    first, last = store.jobs.events(job.id)

    async def read(after: int) -> list[str]:
        return [text.splitlines()[0] async for text in follow(store.jobs, job.id, after=after)]

    assert asyncio.run(read(0)) == [f"id: {first.id}", f"id: {last.id}", "event: done"]
    assert asyncio.run(read(first.id)) == [f"id: {last.id}", "event: done"]
    assert asyncio.run(read(last.id)) == ["event: done"]


def test_a_job_that_is_unknown_has_no_stream(store: Store) -> None:
    async def read() -> None:
        async for _ in follow(store.jobs, "job_none", after=0):
            pass

    with pytest.raises(JobNotFound):
        asyncio.run(read())
