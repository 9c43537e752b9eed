"""What a running job leaves on its host, kept in the object store as well: from it another host goes on, and users see
the log, the curve and the checkpoints.

    attempts/<job>/<token>/state.json      which files the attempt has had at one moment, under which keys
    attempts/<job>/<token>/<random>-<name> their content

Every attempt writes below its own fencing token, and who reads takes the highest: an attempt that was taken for dead
and still writes is read by nobody. A state names whole files only, and is replaced by one small object.
"""

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pfa_store.database import locked
from pfa_store.disk import disk_errors
from pfa_store.errors import StoreUnavailable
from pfa_store.files import Files
from pfa_store.objects import Content, ObjectMissing, Objects

SMALL_BYTES = 32 << 20
"""Files up to this size may grow while they are stored: they are read first."""
_SCRATCH = ("segment", "stills")
"""Folders of a job's work that only its own host goes on from: large, and written to all the time."""
MIRRORS = "attempts/"
Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a state."""

    content: Content
    saved_s: float
    """When it was written, seconds since 1970."""


@dataclass(frozen=True, slots=True)
class JobState:
    """What an attempt had at one moment: files by their path in the job's folder."""

    token: int
    files: Mapping[str, StoredFile]


class JobMirror:
    """The states of one job. `token` is that of the attempt that writes."""

    def __init__(self, files: Files, objects: Objects, job_id: str, *, token: int) -> None:
        self._files = files
        self._objects = objects
        self._job_id = job_id
        self._token = token
        self._folder = files.job(job_id)
        self._pushed: dict[str, tuple[Stamp, StoredFile]] = {}

    def newest(self) -> JobState | None:
        """The state of the newest attempt that has one. Raises: StoreUnavailable."""
        return newest_state(self._objects, self._job_id)

    def pull(self) -> None:
        """Let the job's folder be as the newest attempt left it, and be this attempt's from now on.

        What this host wrote last itself it has in full already.

        Raises:
            StoreUnavailable, ObjectDamaged, DiskFull: it cannot; the folder is as it was.
        """
        with disk_errors():
            self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder / ".lock"):  # an earlier attempt that somehow still lives here is waited for
            for _ in range(3):
                with contextlib.suppress(ObjectMissing):  # replaced while we read it
                    self._replace(self.newest())
                    return
        raise StoreUnavailable(f"The state of the job {self._job_id} changes all the time.")

    def push(self) -> None:
        """Store what has changed; afterwards it is the state of this attempt.

        Raises:
            StoreUnavailable, DiskFull: the state is as it was.
        """
        with disk_errors():
            scratch = Path(tempfile.mkdtemp(dir=self._files.root / "tmp"))
        try:
            stored = {name: self._stored(name, path) for name, path in self._snapshot(scratch).items()}
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if stored == self._pushed:
            return
        gone = {file.content.key for _, file in self._pushed.values()} - {one.content.key for _, one in stored.values()}
        plain = {name: asdict(file) for name, (_, file) in stored.items()}
        self._objects.put(_state_key(self._job_id, self._token), json.dumps(plain).encode())
        self._pushed = stored
        self._objects.delete([*gone, *self._of_earlier_attempts()])

    def _of_earlier_attempts(self) -> list[str]:
        """Once this one has a state of its own, nobody reads theirs."""
        mine = _attempt(self._job_id, self._token)
        return [key for key, _ in self._objects.list(_of(self._job_id)) if key < mine]

    def _stored(self, name: str, path: Path) -> tuple[Stamp, StoredFile]:
        """A file of the snapshot, stored now or before."""
        with disk_errors():
            about = path.stat()
        stamp = (about.st_ino, about.st_size, about.st_mtime_ns)
        before = self._pushed.get(name)
        if before is not None and before[0] == stamp:
            return before
        key = f"{_attempt(self._job_id, self._token)}{uuid.uuid4().hex}-{path.name}"
        if about.st_size <= SMALL_BYTES:
            with disk_errors():
                content = self._objects.put(key, path.read_bytes())
        else:
            content = self._objects.put_file(key, path)
        return stamp, StoredFile(content, about.st_mtime)

    def _snapshot(self, scratch: Path) -> dict[str, Path]:
        """All files as of one moment, linked: those that the job drops meanwhile are still there."""
        while True:
            found: dict[str, Path] = {}
            try:
                with disk_errors():
                    for number, path in enumerate(self._visible()):
                        link = scratch / f"{number}-{uuid.uuid4().hex}" / path.name
                        link.parent.mkdir()
                        link.hardlink_to(path)
                        found[path.relative_to(self._folder).as_posix()] = link
            except StoreUnavailable as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    continue  # a checkpoint was dropped between two looks
                raise
            return found

    def _visible(self) -> Iterator[Path]:
        """A checkpoint's record, which is written last, counts if it was there before its tensors are looked for."""
        records = set(self._folder.glob("work*/**/*.json"))
        yield from self._folder.glob("log*.txt")
        for path in self._folder.glob("work*/**/*"):
            parts = path.relative_to(self._folder).parts
            if any(part.startswith(".") or part in _SCRATCH for part in parts) or not path.is_file():
                continue
            if path.suffix != ".json" or path in records:
                yield path

    def _replace(self, state: JobState | None) -> None:
        """Raises: ObjectMissing."""
        mark = self._files.job_mark(self._job_id)
        if state is not None and not (mark.is_file() and mark.read_text() == str(state.token)):
            with disk_errors():
                scratch = Path(tempfile.mkdtemp(dir=self._files.root / "tmp"))
            try:
                for name, file in state.files.items():
                    (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                    self._objects.fetch(file.content, scratch / name)
                for name in ("work", "work-half", "log.txt", "log.1.txt"):
                    self._files.remove(self._folder / name)
                    with disk_errors(), contextlib.suppress(FileNotFoundError):
                        (scratch / name).rename(self._folder / name)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        self._files.write_atomic(mark, str(self._token).encode())


def newest_state(objects: Objects, job_id: str) -> JobState | None:
    """The state of the newest attempt of a job that has one. Raises: StoreUnavailable."""
    prefix = _of(job_id)
    keys = [key for key, _ in objects.list(prefix) if key.endswith("/state.json")]
    for key in sorted(keys, reverse=True):
        with contextlib.suppress(ObjectMissing):
            plain = json.loads(objects.get(key))
            files = {
                name: StoredFile(content=Content(**file["content"]), saved_s=file["saved_s"])
                for name, file in plain.items()
            }
            return JobState(token=int(key.removeprefix(prefix).partition("/")[0]), files=files)
    return None


def job_of(key: str) -> str:
    """The id of the job whose mirror has this key, which begins with MIRRORS."""
    return key.removeprefix(MIRRORS).partition("/")[0]


def _of(job_id: str) -> str:
    return f"{MIRRORS}{job_id}/"


def _attempt(job_id: str, token: int) -> str:
    return f"{_of(job_id)}{token:08d}/"


def _state_key(job_id: str, token: int) -> str:
    return f"{_attempt(job_id, token)}state.json"
