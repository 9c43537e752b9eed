"""`Idempotency-Key`: the same request sent again is recognised by everything that decides what it makes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Header

from api.errors import RequestInvalid
from api.form import ReceivedForm
from pfa_store.idempotency import Once

IdempotencyKey = Annotated[
    str | None,
    Header(description="The same request with the same key makes one thing, however often it is sent within a day"),
]


def once_of(
    key: str | None,
    *,
    route: str,
    key_id: str | None,
    document: Mapping[str, object],
    form: ReceivedForm | None = None,
) -> Once | None:
    """What identifies a request that came with a key; None without one.

    Args:
        key: the `Idempotency-Key`.
        route: path of the POST; the same key may be used once on each.
        document: its body as plain values.
        form: the files that came with it.

    Raises:
        RequestInvalid: the key is empty or too long.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        raise RequestInvalid("An Idempotency-Key has 1 to 255 characters.")
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode())
    for file in form.files if form else ():
        digest.update(f"\n{file.field}\n{file.filename}\n{file.num_bytes}\n".encode("utf-8", "surrogatepass"))
        for chunk in _chunks(file.path):
            digest.update(chunk)
    return Once(key_id=key_id or "anonymous", route=route, idempotency_key=key, body_sha256=digest.hexdigest())


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(2**20), b"")
