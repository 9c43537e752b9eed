"""A light HTTP client for `benchmarks.serving`: N connections of this machine alone, each asking again once answered.

`python -m benchmarks.serving_load --url http://127.0.0.1:8000/predict/pose --images FOLDER --clients 16 --seconds 10`
prints one JSON object. Requests are put together before the clock starts and answers are read by their Content-Length,
so that the client takes as little as possible of the cores that it shares with the server; it says how much it took.
"""

import argparse
import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from pfa_store.settings import is_loopback

MAX_CLIENTS, MAX_SECONDS = 512, 3600.0
PATIENCE_S = 120.0
"""A request that is not answered for so long has failed."""
SLOT_S = 0.002
"""A client that was refused asks again after this, so that refusals do not become the load."""
BOUNDARY = b"----pfa-benchmark"


@dataclass(slots=True)
class Tally:
    """What clients have seen."""

    latencies_s: list[float] = field(default_factory=list)
    """Of the answers with status 200."""
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    """Connections that ended before their answer."""
    bare_refusals: int = 0
    """503 without Retry-After."""
    models: Counter[str] = field(default_factory=Counter)
    """What the answers say about the model that gave them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one run of the load generator found."""

    clients: int
    seconds: float
    answered: int
    """Answers with status 200."""
    requests_per_s: float
    """The same, a second."""
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]
    broken: int
    bare_refusals: int
    models: dict[str, int]
    client_cores: float
    """Cores that the load generator itself kept busy."""

    @property
    def errors(self) -> int:
        """Requests without an answer of status 200."""
        return self.broken + sum(number for status, number in self.statuses.items() if status != "200")


def form(image: bytes, *, name: str = "file") -> tuple[bytes, bytes]:
    """A multipart body with one file, and its Content-Type: what every server here can take."""
    head = f'Content-Disposition: form-data; name="{name}"; filename="image.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = b"--" + BOUNDARY + b"\r\n" + head.encode() + image + b"\r\n--" + BOUNDARY + b"--\r\n"
    return body, b"multipart/form-data; boundary=" + BOUNDARY


def request_bytes(url: str, image: bytes, *, key: str, name: str) -> bytes:
    """A whole POST of one image."""
    parts = urlsplit(url)
    body, content_type = form(image, name=name)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {target} HTTP/1.1".encode(),
        f"Host: {parts.netloc}".encode(),
        b"Content-Type: " + content_type,
        f"Content-Length: {len(body)}".encode(),
        *([f"Authorization: Bearer {key}".encode()] if key else []),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of one answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:] if line)}
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    return int(head[0].split()[1]), headers, body


async def client(address: tuple[str, int], requests: Sequence[bytes], first: int, until_s: float, tally: Tally) -> None:
    """One connection, opened again where it breaks, until the clock has run out."""
    turn = count(first)
    writer = None
    while time.monotonic() < until_s:
        began_s = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection(*address, limit=2**22)
            writer.write(requests[next(turn) % len(requests)])
            async with asyncio.timeout(PATIENCE_S):
                status, headers, body = await read_answer(reader)
        except (OSError, EOFError, TimeoutError):
            tally.broken += 1
            if writer is not None:
                writer.close()
            writer = None
            await asyncio.sleep(SLOT_S)
            continue
        tally.statuses[status] += 1
        if status == 200:
            tally.latencies_s.append(time.monotonic() - began_s)
            tally.models[_model_of(body)] += 1
        else:
            tally.bare_refusals += status == 503 and b"retry-after" not in headers
            await asyncio.sleep(SLOT_S)
        if headers.get(b"connection", b"").lower() == b"close":
            writer.close()
            writer = None
    if writer is not None:
        writer.close()


def _model_of(body: bytes) -> str:
    start = body.find(b'"model":"', 0, 64)
    return "" if start < 0 else body[start + 9 : body.find(b'"', start + 9)].decode()


async def load(
    url: str, images: Sequence[bytes], *, key: str, clients: int, seconds: float, name: str = "file"
) -> Load:
    """Ask from `clients` connections for `seconds`; `name` is the form's field."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    if not is_loopback(address[0]) or clients > MAX_CLIENTS or seconds > MAX_SECONDS:
        raise ValueError(f"only loopback, at most {MAX_CLIENTS} clients, at most {MAX_SECONDS:.0f} s")
    requests = [request_bytes(url, image, key=key, name=name) for image in images]
    tally = Tally()
    began_s, busy_s = time.monotonic(), time.process_time()
    until_s = began_s + seconds
    await asyncio.gather(*(client(address, requests, number, until_s, tally) for number in range(clients)))
    took_s = time.monotonic() - began_s
    latencies_s = sorted(tally.latencies_s)
    return Load(
        clients=clients,
        seconds=took_s,
        answered=len(latencies_s),
        requests_per_s=len(latencies_s) / took_s,
        p50_ms=1000 * quantile(latencies_s, 0.5),
        p99_ms=1000 * quantile(latencies_s, 0.99),
        statuses={str(status): number for status, number in sorted(tally.statuses.items())},
        broken=tally.broken,
        bare_refusals=tally.bare_refusals,
        models=dict(tally.models),
        client_cores=(time.process_time() - busy_s) / took_s,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed; nan of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--images", type=Path, required=True, help="folder of .jpg files, sent in turn")
    parser.add_argument("--key-file", type=Path, help="file with the API key")
    parser.add_argument("--field", default="file", help="name of the form's field")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    images = [path.read_bytes() for path in sorted(options.images.glob("*.jpg"))]
    key = options.key_file.read_text().strip() if options.key_file else ""
    asked = load(options.url, images, key=key, clients=options.clients, seconds=options.seconds, name=options.field)
    found = asyncio.run(asked)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
