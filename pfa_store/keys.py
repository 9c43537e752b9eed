"""API keys. A secret is 256 random bits; only its sha256 is kept, so a stolen database opens nothing."""

import hashlib
import secrets
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import func, select, update

from pfa_core.errors import ConfigInvalid
from pfa_store.database import Sessions
from pfa_store.errors import KeyNotFound
from pfa_store.files import Files
from pfa_store.records import record_of
from pfa_store.schema import KeyRow

Scope = Literal["read", "predict", "jobs", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
MAX_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Who may do what."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_s: float
    revoked_s: float | None

    def allows(self, scope: Scope) -> bool:
        """`admin` implies every other scope."""
        return self.revoked_s is None and (scope in self.scopes or "admin" in self.scopes)


class Keys:
    def __init__(self, sessions: Sessions, files: Files, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._files = files
        self._clock = clock

    def create(self, name: str, scopes: Collection[str]) -> tuple[Key, str]:
        """A new key and its secret, which cannot be read again.

        Raises:
            ConfigInvalid: no scope, or one that does not exist; or no name.
        """
        if not 1 <= len(name.strip()) <= MAX_NAME or not name.isprintable():
            raise ConfigInvalid(f"a key needs a name of 1 to {MAX_NAME} printable characters, to tell it from others")
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown or not scopes:
            raise ConfigInvalid(f"scopes must be some of {', '.join(SCOPES)}; got {', '.join(unknown) or 'none'}")
        secret = f"pfa_{secrets.token_urlsafe(32)}"
        row = KeyRow(
            id=f"key_{uuid.uuid4().hex}",
            name=name,
            secret_sha256=_sha256(secret),
            scopes=[scope for scope in SCOPES if scope in scopes],
            created_s=self._clock(),
        )
        with self._sessions.writing() as session:
            session.add(row)
            session.flush()
            return record_of(Key, row), secret

    def find(self, secret: str) -> Key | None:
        """The key with this secret; None if there is none or it was revoked.

        The database compares hashes, not in constant time, and need not: how long it takes tells about the sha256 of a
        guess, which nobody can choose digit by digit, and a secret has 256 random bits.
        """
        statement = select(KeyRow).where(KeyRow.secret_sha256 == _sha256(secret), KeyRow.revoked_s.is_(None))
        with self._sessions.reading() as session:
            row = session.scalars(statement).one_or_none()
            return None if row is None else record_of(Key, row)

    def active(self, key_id: str) -> Key | None:
        """The key with this id; None if there is none or it was revoked."""
        with self._sessions.reading() as session:
            row = session.get(KeyRow, key_id)
            return None if row is None or row.revoked_s is not None else record_of(Key, row)

    def list(self) -> tuple[Key, ...]:
        """All keys, the oldest first."""
        with self._sessions.reading() as session:
            rows = session.scalars(select(KeyRow).order_by(KeyRow.created_s, KeyRow.id))
            return tuple(record_of(Key, row) for row in rows)

    def revoke(self, key_id: str) -> Key:
        """Make a key useless from now on.

        Raises:
            KeyNotFound: there is no such key.
        """
        statement = update(KeyRow).where(KeyRow.id == key_id)
        with self._sessions.writing() as session:
            revoked = func.coalesce(KeyRow.revoked_s, self._clock())
            row = session.scalars(statement.values(revoked_s=revoked).returning(KeyRow)).one_or_none()
            if row is None:
                raise KeyNotFound(f"There is no key {key_id!r}.")
            return record_of(Key, row)

    def ensure_admin(self) -> str | None:
        """On the first start, make an admin key, write it to `admin.key` and return it to be printed once."""
        with self._files.lock("keys"):
            if self.list():
                return None
            _, secret = self.create("admin", ["admin"])
            self._files.write_atomic(self._files.admin_key, f"{secret}\n".encode(), mode=0o600)
            return secret


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
