"""A job's events as server-sent events, replayed from any of them on and then followed until the job is done."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi import Request
from prometheus_client import Gauge
from starlette.concurrency import run_in_threadpool

from api.schemas.jobs import JobEventRead
from pfa_store.jobs import Jobs

MEDIA_TYPE = "text/event-stream"
LOOK_EVERY_S = 0.5
SIGN_OF_LIFE_S = 15.0


def wants_stream(request: Request) -> bool:
    """Whether the Accept header asks for events rather than JSON."""
    return MEDIA_TYPE in request.headers.get("accept", "")


async def follow(jobs: Jobs, job_id: str, *, after: int, sign_of_life_s: float = SIGN_OF_LIFE_S) -> AsyncIterator[str]:
    """The events after `after`, each as one SSE message; once the job is done, `done` is the last.

    `done` has no id: a browser that comes back by itself after it gets `done` again and nothing twice.
    """
    silent_since_s = time.monotonic()
    while True:
        job = await run_in_threadpool(jobs.get, job_id)
        while events := await run_in_threadpool(jobs.events, job_id, after=after):
            for event in events:
                yield _message(JobEventRead.of(event))
                after = event.id
            silent_since_s = time.monotonic()
        if job.done:
            yield f"event: done\ndata: {json.dumps({'status': job.status})}\n\n"
            return
        if time.monotonic() - silent_since_s > sign_of_life_s:
            yield ": still here\n\n"
            silent_since_s = time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)


async def counted(events: AsyncIterator[str], streams: Gauge) -> AsyncIterator[str]:
    """The same events, counted as one open stream until they end or their reader leaves."""
    with streams.track_inprogress():
        async for event in events:
            yield event


def _message(event: JobEventRead) -> str:
    data = json.dumps(event.model_dump(mode="json"))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"
