"""The seam to an S3-compatible object store: whole objects by key, and every way in which it can fail as one of ours.

boto3 is imported where it is first needed: an installation with a shared data folder does without it.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pfa_store.disk import disk_errors
from pfa_store.errors import DiskFull, ObjectDamaged, StoreUnavailable
from pfa_store.files import CHUNK_BYTES
from pfa_store.settings import Settings

R = TypeVar("R")
Answer = Mapping[str, Any]

CONNECT_S, READ_S = 5.0, 30.0
"""How long the store may take to accept a connection, and to go on answering."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
_MISSING = {"404", "NoSuchKey", "NotFound"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507", "EntityTooLarge"}
_DELETED_AT_ONCE = 1000


class Client(Protocol):
    """What is used of boto3's client, which has no types."""

    def close(self) -> None: ...

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> Answer: ...

    def upload_file(self, Filename: str, Bucket: str, Key: str) -> None: ...

    def get_object(self, *, Bucket: str, Key: str) -> Answer: ...

    def head_object(self, *, Bucket: str, Key: str) -> Answer: ...

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **more: object) -> Answer: ...

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, object]) -> Answer: ...


class ObjectMissing(Exception):  # not an error by itself: whoever asks knows what it means
    """There is no object of that key."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was stored: enough to tell whether what comes back is the same."""

    key: str
    sha256: str
    num_bytes: int


class Objects:
    """A bucket below a prefix. May be sent to another process; safe to share between threads.

    `patience_s`: how long a call goes on trying while the store is away. Requests of users wait for nothing; jobs wait.
    """

    def __init__(self, settings: Settings, *, patience_s: float = 0.0) -> None:
        bucket, _, prefix = settings.objects_url.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._settings = settings
        self._patience_s = patience_s
        self._made: tuple[int, Client] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Connections stay where they are."""
        return {**self.__dict__, "_made": None}

    def ping(self) -> None:
        """Check that the bucket can be listed, without patience. Raises: StoreUnavailable."""
        self._once("ping", lambda client: client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1))

    def close(self) -> None:
        """Give up the connections."""
        if self._made is not None and self._made[0] == os.getpid():
            self._made[1].close()
            self._made = None

    def put(self, key: str, data: bytes) -> Content:
        """Store a small object; it appears whole or not at all.

        Raises:
            StoreUnavailable, DiskFull: it was not stored.
        """
        self._call(key, lambda client: client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data))
        return Content(key, hashlib.sha256(data).hexdigest(), len(data))

    def put_file(self, key: str, path: Path) -> Content:
        """Store a file, which must not change meanwhile; it appears whole or not at all.

        Raises:
            StoreUnavailable, DiskFull: it was not stored, or the file cannot be read.
        """
        with disk_errors(), path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        num_bytes = path.stat().st_size
        self._call(key, lambda client: client.upload_file(str(path), self._bucket, self._prefix + key))
        return Content(key, sha256, num_bytes)

    def get(self, key: str) -> bytes:
        """Raises: ObjectMissing, StoreUnavailable."""

        def read(client: Client) -> bytes:
            return client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"].read()

        return self._call(key, read)

    def fetch(self, content: Content, target: Path) -> None:
        """Write an object to a new, synced file and compare it with its checksum.

        Raises:
            ObjectMissing, StoreUnavailable.
            ObjectDamaged: twice something else came than was stored.
            DiskFull: the disk of the data folder is full.
        """
        for _ in range(2):
            if self._call(content.key, lambda client: self._download(client, content.key, target)) == content.sha256:
                return
        target.unlink()
        raise ObjectDamaged(
            f"The object {self._prefix}{content.key} is not what was stored: its checksum differs.", key=content.key
        )

    def _download(self, client: Client, key: str, target: Path) -> str:
        body = client.get_object(Bucket=self._bucket, Key=self._prefix + key)["Body"]
        digest = hashlib.sha256()
        with contextlib.closing(body):
            with disk_errors():
                file = target.open("wb")
            with file:
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    digest.update(chunk)
                    with disk_errors():
                        file.write(chunk)
                with disk_errors():
                    file.flush()
                    os.fsync(file.fileno())
        return digest.hexdigest()

    def exists(self, key: str) -> bool:
        """Raises: StoreUnavailable."""
        try:
            self._call(key, lambda client: client.head_object(Bucket=self._bucket, Key=self._prefix + key))
        except ObjectMissing:
            return False
        return True

    def list(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Keys that begin so, in order, and when each was stored, seconds since 1970. Raises: StoreUnavailable."""
        token: dict[str, str] = {}
        while True:
            page = self._call(prefix, partial(self._page, prefix, token))
            for entry in page.get("Contents", []):
                yield entry["Key"].removeprefix(self._prefix), entry["LastModified"].timestamp()
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _page(self, prefix: str, token: dict[str, str], client: Client) -> Answer:
        return client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix + prefix, **token)

    def delete(self, keys: Sequence[str]) -> None:
        """Those that are there. Raises: StoreUnavailable."""
        for first in range(0, len(keys), _DELETED_AT_ONCE):
            named = [{"Key": self._prefix + key} for key in keys[first : first + _DELETED_AT_ONCE]]
            self._call(keys[first], partial(self._delete, named))

    def _delete(self, named: Sequence[dict[str, str]], client: Client) -> None:
        client.delete_objects(Bucket=self._bucket, Delete={"Objects": named, "Quiet": True})

    def _call(self, what: str, act: Callable[[Client], R]) -> R:
        """Try until it answers or patience ends."""
        deadline_s = time.monotonic() + self._patience_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return self._once(what, act)
            except StoreUnavailable:
                if time.monotonic() + pause_s > deadline_s:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _once(self, what: str, act: Callable[[Client], R]) -> R:
        from boto3.exceptions import Boto3Error, S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            return act(self._client())
        except ClientError as error:
            raise _meaning(error, error.response, what) from error
        except S3UploadFailedError as error:
            cause = error.__context__
            raise (_meaning(cause, cause.response, what) if isinstance(cause, ClientError) else _away(error)) from error
        except (BotoCoreError, Boto3Error, HTTPError) as error:
            raise _away(error) from error

    def _client(self) -> Client:
        """One a process: connections do not survive a fork."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = os.getpid(), _connect(self._settings)
        return self._made[1]


def _connect(settings: Settings) -> Client:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": 2},
        s3={"addressing_style": "path" if settings.objects_endpoint else "auto"},
        # Our own checksums are compared; stores other than Amazon's often know no trailing ones.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.objects_endpoint or None,
        region_name=settings.objects_region or None,
        aws_access_key_id=settings.objects_key_id or None,
        aws_secret_access_key=settings.objects_secret_key or None,
        config=config,
    )


def _meaning(error: Exception, answer: Answer, what: str) -> Exception:
    """Of an answer of the store that says no."""
    code = str(answer.get("Error", {}).get("Code", ""))
    if code in _MISSING:
        return ObjectMissing(what)
    if code in _FULL:
        return DiskFull(f"The object store is full ({code}). Delete something, or ask the administrator.")
    return _away(error)


def _away(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(f"The object store cannot be used just now: {error}")
