"""The shelf in an object store: every thing is a manifest object and, stored before it, an object for each file.

    things/<name>.json             which files it has, under which keys, of which size and sha256
    content/<name>/<random>/<file> a file of one upload; two uploads of one thing never share a key

A thing exists from the moment its manifest does, which is one small object: nobody ever sees a part of an upload, nor
a mixture of two. What a crash leaves is content that no manifest names; `pfa objects sweep` finds it.
"""

import contextlib
import fcntl
import hashlib
import json
import math
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pfa_store.cache import Cache
from pfa_store.disk import disk_errors, sync_folder
from pfa_store.errors import StoreUnavailable
from pfa_store.objects import Content, ObjectMissing, Objects
from pfa_store.shelf import Upload

REQUEST_HOLDS_S = 900.0
"""A service keeps what a request asked for at least so long."""


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """A thing whose content is stored."""

    path: Path
    is_folder: bool
    files: Mapping[str, Content]
    """By name, which for a file is its own and in a folder its path below it."""

    @property
    def num_bytes(self) -> int:
        return sum(content.num_bytes for content in self.files.values())


class ObjectShelf:
    """Things of one installation, in an object store and, as far as they are used here, in a data folder."""

    shared = False

    def __init__(self, root: Path, objects: Objects, cache: Cache, *, for_job: bool = False) -> None:
        """`for_job`: this process ends with its job and keeps until then what it asked for."""
        self._root = root
        self._objects = objects
        self._cache = cache
        self._for_job = for_job
        self._held_until_s: dict[str, float] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Holds are of one process."""
        return {**self.__dict__, "_held_until_s": {}}

    def here(self, path: Path) -> Path:
        if not self.try_here(path):
            raise StoreUnavailable(f"{self._name(path)} is missing from the object store.")
        return path

    @contextlib.contextmanager
    def using(self, path: Path) -> Iterator[Path]:
        name = self._name(path)
        before = name in self._held_until_s
        try:
            yield self.here(path)
        finally:
            if not before:
                self._held_until_s.pop(name, None)
                self._cache.release(name)

    def try_here(self, path: Path) -> bool:
        name, now_s = self._name(path), time.time()
        if self._held_until_s.get(name, 0.0) - now_s > REQUEST_HOLDS_S / 2 and path.exists():
            return True
        until_s = math.inf if self._for_job else now_s + REQUEST_HOLDS_S
        there = self._cache.hold(name, until_s=until_s) or self._fetch(path, until_s)
        if there:
            self._held_until_s[name] = until_s
        return there

    def published(self, path: Path) -> bool:
        return self._objects.exists(_manifest_key(self._name(path)))

    def below(self, folder: Path) -> Iterator[tuple[Path, float]]:
        """What is published in a folder, and when each was, seconds since 1970. Raises: StoreUnavailable."""
        for key, stored_s in self._objects.list(f"things/{self._name(folder)}/"):
            yield self._root / key.removeprefix("things/").removesuffix(".json"), stored_s

    def upload(self, source: Path, path: Path) -> StoredUpload:
        place = f"content/{self._name(path)}/{uuid.uuid4().hex}"
        with disk_errors():
            is_folder = source.is_dir()
            found = (
                {one.relative_to(source).as_posix(): one for one in _files(source)}
                if is_folder
                else {path.name: source}
            )
        files = {name: self._objects.put_file(f"{place}/{name}", file) for name, file in found.items()}
        return StoredUpload(path, is_folder, files)

    def announce(self, upload: Upload | None) -> None:
        assert isinstance(upload, StoredUpload)
        name = self._name(upload.path)
        files = {file: asdict(content) for file, content in upload.files.items()}
        manifest = {"is_folder": upload.is_folder, "files": files}
        self._objects.put(_manifest_key(name), json.dumps(manifest).encode())
        if upload.path.exists():
            self._cache.note(name, upload.num_bytes)

    def publish(self, path: Path) -> None:
        self.announce(self.upload(path, path))

    def drop(self, upload: Upload | None) -> None:
        assert isinstance(upload, StoredUpload)
        self._objects.delete([content.key for content in upload.files.values()])

    def forget(self, path: Path) -> None:
        name = self._name(path)
        below = [key for key, _ in self._objects.list(f"things/{name}/")]
        for key in [_manifest_key(name), *below]:
            with contextlib.suppress(ObjectMissing):
                stored = self._read(key, path)
                self._objects.delete([key])
                self.drop(stored)
        self._cache.forget(name)

    def read_file(self, path: Path, file: str) -> bytes:
        """One file of a thing that is a folder, without the rest. Raises: StoreUnavailable, ObjectDamaged."""
        if (path / file).is_file():
            with disk_errors():
                return (path / file).read_bytes()
        try:
            stored = self._read(_manifest_key(self._name(path)), path)
            return self._objects.get(stored.files[file].key)
        except (ObjectMissing, KeyError) as error:
            raise StoreUnavailable(f"{self._name(path)} is missing from the object store.") from error

    def mark(self, path: Path) -> None:
        self._objects.put(f"marks/{self._name(path)}", b"")

    def marks(self, folder: Path) -> list[str]:
        prefix = f"marks/{self._name(folder)}/"
        return [key.removeprefix(prefix) for key, _ in self._objects.list(prefix)]

    def ping(self) -> None:
        self._objects.ping()

    def close(self) -> None:
        self._held_until_s.clear()
        self._cache.close()
        self._objects.close()

    def garbage(self, *, older_than_s: float) -> Iterator[str]:
        """Keys of content that no manifest names and that is older: what crashes left. Raises: StoreUnavailable."""
        before_s = time.time() - older_than_s
        content = [key for key, stored_s in self._objects.list("content/") if stored_s < before_s]
        named: set[str] = set()
        for key, _ in self._objects.list("things/"):
            with contextlib.suppress(ObjectMissing):
                named |= {one.key for one in self._read(key, self._root).files.values()}
        yield from (key for key in content if key not in named)

    def _fetch(self, path: Path, until_s: float) -> bool:
        """Bring a thing here, once however many ask; False: it is not published."""
        name = self._name(path)
        with self._alone(name):
            if self._cache.hold(name, until_s=until_s):
                return True
            for last in (False, True):
                try:
                    self._bring(self._read(_manifest_key(name), path), until_s)
                except ObjectMissing:
                    if last:
                        return False
                else:
                    return True
        return False

    def _bring(self, stored: StoredUpload, until_s: float) -> None:
        """To a temporary name, compared with its checksums, then renamed. Raises: ObjectMissing: it has just gone."""
        name = self._name(stored.path)
        self._cache.reserve(name, stored.num_bytes, until_s=until_s)
        with disk_errors():
            scratch = Path(tempfile.mkdtemp(dir=self._root / "tmp"))
        try:
            whole = scratch / "thing"
            for file, content in stored.files.items():
                target = whole / file if stored.is_folder else whole
                with disk_errors():
                    target.parent.mkdir(parents=True, exist_ok=True)
                self._objects.fetch(content, target)
            with disk_errors():
                stored.path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    whole.rename(stored.path)
                except OSError:
                    if not stored.path.exists():  # else a job of this host has made the same meanwhile
                        raise
                sync_folder(stored.path.parent)
        except BaseException:
            self._cache.forget(name)
            raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _read(self, key: str, path: Path) -> StoredUpload:
        """Raises: ObjectMissing."""
        manifest = json.loads(self._objects.get(key))
        files = {file: Content(**content) for file, content in manifest["files"].items()}
        return StoredUpload(path, manifest["is_folder"], files)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """One process and thread of this host at a time fetches a thing, and few others."""
        bucket = hashlib.sha256(name.encode()).hexdigest()[:2]
        with disk_errors():
            file = (self._root / "locks" / f"fetch-{bucket}").open("a")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _manifest_key(name: str) -> str:
    return f"things/{name}.json"


def _files(folder: Path) -> Iterator[Path]:
    """All that are visible, in their order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path
