"""One piece of a resumable upload: from the connection to the disk, and the last one to a video."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from api.errors import PayloadTooLarge
from api.tus import Checksum
from pfa_store.store import Store
from pfa_store.upload_part import Part
from pfa_store.uploads import Upload

FLUSH_BYTES = 2**20
SILENCE_S = 60.0
"""A sender that is silent for so long is gone, whatever its connection says: another may go on."""


async def receive(request: Request, store: Store, upload: Upload, part: Part, checksum: Checksum | None) -> None:
    """Append the body to an upload. What came before a fault stays, unless it has a checksum to answer to.

    Raises:
        ClientDisconnect: the sender is gone.
        PayloadTooLarge: more came than the upload was announced with.
        ChecksumMismatch: the piece was changed on its way.
        DiskFull: the reserve of free space would be used up.
    """
    if checksum is None:
        try:
            await _append(request, upload, part, None)
        finally:
            await run_in_threadpool(part.sync)
        return
    began = part.offset
    await run_in_threadpool(store.uploads.distrust, upload.id, began)
    try:
        await _append(request, upload, part, checksum)
        checksum.verify()
        await run_in_threadpool(part.sync)
    except BaseException:
        await run_in_threadpool(_undo, store, upload, part, began)
        raise
    await run_in_threadpool(store.uploads.distrust, upload.id, None)


def _undo(store: Store, upload: Upload, part: Part, offset: int) -> None:
    part.cut(offset)
    store.uploads.distrust(upload.id, None)  # last: until then a crash finds the piece distrusted


async def _append(request: Request, upload: Upload, part: Part, checksum: Checksum | None) -> None:
    pending = bytearray()

    async def flush() -> None:
        data = bytes(pending)
        pending.clear()
        if checksum is not None:
            await run_in_threadpool(checksum.add, data)
        await run_in_threadpool(part.write, data)

    try:
        async for chunk in _chunks(request):
            if part.offset + len(pending) + len(chunk) > upload.num_bytes:
                raise too_long(upload)
            pending += chunk
            if len(pending) >= FLUSH_BYTES:
                await flush()
    finally:
        if pending:
            await flush()


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises: ClientDisconnect: the sender is gone, or silent for long."""
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ClientDisconnect from None
        yield chunk


def too_long(upload: Upload) -> PayloadTooLarge:
    """The error for a piece that goes beyond the announced end."""
    return PayloadTooLarge(f"The upload was announced with {upload.num_bytes} bytes; this piece would go beyond them.")


@asynccontextmanager
async def writing(store: Store, upload_id: str) -> AsyncIterator[tuple[Upload, Part]]:
    """`Uploads.writing`, entered and left in a thread. Raises: as that."""
    held = store.uploads.writing(upload_id)
    entered = await run_in_threadpool(held.__enter__)
    try:
        yield entered
    except BaseException as error:
        if not await run_in_threadpool(held.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await run_in_threadpool(held.__exit__, None, None, None)
