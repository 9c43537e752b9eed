"""Multipart bodies, received as a stream: files go to disk while they arrive, small fields stay in memory.

Starlette's own form parser stops at 1000 files and hands out temporary files that nobody counts; a data set may be
thousands of images, and every cap here is checked before the byte after it is kept.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool

from api.errors import MediaUnsupported
from api.form import FormLimits, ReceivedForm
from api.form_reader import FormReader
from pfa_store.files import Files
from pfa_store.quota import Quota


def is_multipart(request: Request) -> bool:
    """Whether the body says that it is a form with files."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


@asynccontextmanager
async def received_form(
    request: Request, *, files: Files, limits: FormLimits, quota: Quota | None = None, key_id: str | None = None
) -> AsyncIterator[ReceivedForm]:
    """Receive a form; what goes to disk lies in a temporary folder of the data folder, removed on the way out.

    With a quota, what its field `files` brings counts as the key's while it arrives.

    Raises:
        DiskFull: the reserve of free space would be used up.
        MediaUnsupported: not multipart/form-data, or without its boundary.
        RequestInvalid: a damaged body, a field or file that the call does not take.
        PayloadTooLarge: a cap of `limits` is reached.
        QuotaExceeded: the key would keep more than it may.
    """
    with quota.arriving(key_id) if quota is not None else nullcontext() as allowance:
        reader = FormReader(_boundary(request), files=files, limits=limits, allowance=allowance)
        try:
            async for chunk in request.stream():
                await reader.feed(chunk)
            if allowance is not None:
                await run_in_threadpool(allowance.weigh)
            yield reader.finish()
        finally:
            if reader.on_disk:
                await run_in_threadpool(reader.remove)


def _boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data" or not options.get(b"boundary"):
        raise MediaUnsupported("The body must be multipart/form-data with a boundary.")
    return options[b"boundary"]
