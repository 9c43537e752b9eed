"""How often a key may call: a bucket of tokens for each, in this process alone.

Two API processes give a key twice as much; what counts exactly is what it keeps (pfa_store/quota). The headers are
those of the IETF draft "RateLimit header fields for HTTP".
"""

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MINUTE_S = 60.0
_WHOLE = 1 - 1e-9
"""One token, but for rounding: who waited as long as told is served."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a call."""

    headers: Mapping[str, str]
    """How many are left, for the answer."""
    wait_s: int
    """Seconds until the call may be made; 0: it was."""


class Rates:
    """Each key's bucket holds `burst` calls and is filled with `per_minute` of them a minute; 0: no limit."""

    def __init__(self, *, per_minute: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._burst = max(1, burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str | None, _Bucket] = {}

    def take(self, key_id: str | None) -> Taken:
        """Count one call, if it may be made."""
        if not self._per_minute:
            return Taken({}, 0)
        per_s = self._per_minute / MINUTE_S
        with self._lock:
            now_s = self._clock()
            bucket = self._buckets.setdefault(key_id, _Bucket(self._burst, now_s))
            bucket.tokens = min(self._burst, bucket.tokens + (now_s - bucket.at_s) * per_s)
            bucket.at_s = now_s
            wait_s = 0 if bucket.tokens >= _WHOLE else math.ceil((1 - bucket.tokens) / per_s)
            if not wait_s:
                bucket.tokens = max(0.0, bucket.tokens - 1)
            return Taken(self._headers(bucket.tokens, per_s), wait_s)

    def _headers(self, tokens: float, per_s: float) -> Mapping[str, str]:
        until_full_s = math.ceil((self._burst - tokens) / per_s)
        window_s = math.ceil(self._burst / per_s)
        return {
            "RateLimit-Policy": f'"key";q={self._burst};w={window_s}',
            "RateLimit": f'"key";r={int(tokens)};t={until_full_s}',
        }
