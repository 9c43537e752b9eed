"""Who is signed in to the console: a random cookie in the browser, and here a file that says whose it is, until when.

Files, so that every API process on the data folder knows them and a sign-out holds at once, everywhere. Only the sha256
of a cookie is kept: a stolen data folder signs nobody in. docs/decisions/0021 tells why.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pfa_store.files import Files

LASTS_S = 12 * 3600
"""A working day; afterwards the key is asked for again."""


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that may use the console."""

    secret: str = field(repr=False)
    """What its cookie holds."""
    key_id: str | None
    """Whose it is; None where keys are switched off."""

    @property
    def csrf(self) -> str:
        """What every form and script of its pages sends along, and no page of another site can know."""
        return hmac.new(self.secret.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()

    def is_csrf(self, sent: str) -> bool:
        return hmac.compare_digest(self.csrf.encode(), sent.encode("utf-8", "surrogatepass"))


def anonymous(secret: str | None = None) -> Session:
    """A session where keys are switched off: nothing is kept of it, its cookie only carries the token of forms."""
    return Session(secret or secrets.token_urlsafe(32), None)


class ConsoleSessions:
    """The sessions of a data folder."""

    def __init__(self, files: Files, clock: Callable[[], float]) -> None:
        self._files = files
        self._clock = clock

    def begin(self, key_id: str) -> Session:
        """Sign in. Raises: DiskFull, StoreUnavailable: it cannot be kept."""
        self._sweep()
        session = Session(secrets.token_urlsafe(32), key_id)
        content = json.dumps({"key": key_id, "until_s": self._clock() + LASTS_S}).encode()
        self._files.write_atomic(self._path(session.secret), content, mode=0o600)
        return session

    def find(self, secret: str) -> Session | None:
        """The session of a cookie; None if there is none, or none any more."""
        key_id = self._kept(self._path(secret))
        return None if key_id is None else Session(secret, key_id)

    def end(self, secret: str) -> None:
        """Sign out."""
        self._files.remove(self._path(secret))

    def _path(self, secret: str) -> Path:
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        return self._files.root / "sessions" / f"{digest}.json"

    def _kept(self, path: Path) -> str | None:
        """Whose session it is; None: it is over, or does not read."""
        try:
            kept = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        return str(kept["key"]) if kept["until_s"] > self._clock() else None

    def _sweep(self) -> None:
        """Forget the sessions that are over: nobody will ever ask for them again."""
        for path in (self._files.root / "sessions").glob("*.json"):
            if self._kept(path) is None:
                self._files.remove(path)
