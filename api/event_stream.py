"""A job's events as server-sent events, replayed from any of them on and then followed until the job is done."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.schemas.jobs import JobEventRead
from pfa_store.jobs import Jobs

MEDIA_TYPE = "text/event-stream"
LOOK_EVERY_S = 0.5
SIGN_OF_LIFE_S = 15.0


def wants_stream(request: Request) -> bool:
    """Whether the Accept header asks for events rather than JSON."""
    return MEDIA_TYPE in request.headers.get("accept", "")


async def follow(jobs: Jobs, job_id: str, *, after: int) -> AsyncIterator[str]:
    """The events after `after`, each as one SSE message; ends when the job is done."""
    silent_since_s = time.monotonic()
    while True:
        done = (await run_in_threadpool(jobs.get, job_id)).done
        while events := await run_in_threadpool(jobs.events, job_id, after=after):
            for event in events:
                yield _message(JobEventRead.of(event))
                after = event.id
            silent_since_s = time.monotonic()
        if done:
            return
        if time.monotonic() - silent_since_s > SIGN_OF_LIFE_S:
            yield ": still here\n\n"
            silent_since_s = time.monotonic()
        await asyncio.sleep(LOOK_EVERY_S)


def _message(event: JobEventRead) -> str:
    data = json.dumps(event.model_dump(mode="json"))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"
