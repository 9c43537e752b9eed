"""How often a key may call: a bucket of tokens for each, which the API processes of one service share (api/buckets).

Services on several machines each give a key as much; what counts exactly everywhere is what it keeps (pfa_store/quota).
The headers are those of the IETF draft "RateLimit header fields for HTTP".
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.buckets import Buckets, OwnBuckets

MINUTE_S = 60.0
_WHOLE = 1 - 1e-9
"""One token, but for rounding: who waited as long as told is served."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a call."""

    headers: Mapping[str, str]
    """How many are left, for the answer."""
    wait_s: int
    """Seconds until the call may be made; 0: it was."""


class Rates:
    """Each key's bucket holds `burst` calls and is filled with `per_minute` of them a minute; 0: no limit."""

    def __init__(
        self,
        *,
        per_minute: int,
        burst: int,
        buckets: Buckets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._burst = max(1, burst)
        self._clock = clock
        self._buckets = buckets or OwnBuckets()

    def take(self, key_id: str | None) -> Taken:
        """Count one call, if it may be made."""
        if not self._per_minute:
            return Taken({}, 0)
        per_s = self._per_minute / MINUTE_S
        left, wait_s = 0.0, 0

        def take_one(tokens: float, at_s: float) -> tuple[float, float]:
            nonlocal left, wait_s
            now_s = self._clock()
            left = float(self._burst) if at_s < 0 else min(self._burst, tokens + max(0.0, now_s - at_s) * per_s)
            wait_s = 0 if left >= _WHOLE else math.ceil((1 - left) / per_s)
            if not wait_s:
                left = max(0.0, left - 1)
            return left, now_s

        self._buckets.change(key_id, take_one)
        return Taken(self._headers(left, per_s), wait_s)

    def _headers(self, tokens: float, per_s: float) -> Mapping[str, str]:
        until_full_s = math.ceil((self._burst - tokens) / per_s)
        window_s = math.ceil(self._burst / per_s)
        return {
            "RateLimit-Policy": f'"key";q={self._burst};w={window_s}',
            "RateLimit": f'"key";r={int(tokens)};t={until_full_s}',
        }
