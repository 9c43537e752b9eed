"""What users see of a job while it runs, on whichever host: its log, its curve and its checkpoints."""

from pathlib import Path, PurePosixPath

from pfa_store.database import locked
from pfa_store.disk import disk_errors
from pfa_store.errors import StoreUnavailable
from pfa_store.files import Files
from pfa_store.job_checkpoints import JobCheckpoint, checkpoint_of, in_order, read_checkpoints
from pfa_store.job_log import JobLog
from pfa_store.job_metrics import Row, read_rows
from pfa_store.job_mirror import JobState, newest_state
from pfa_store.job_record import Job
from pfa_store.objects import ObjectMissing, Objects


class JobViews:
    """Views of jobs. Without an object store they are the jobs' folders."""

    def __init__(self, files: Files, objects: Objects | None) -> None:
        self._files = files
        self._objects = objects
        self._copies = Files(files.root / "views")

    def log(self, job: Job) -> JobLog:
        """Raises: StoreUnavailable."""
        return JobLog(self._with(job, "log.txt", "log.1.txt"), job.id)

    def rows(self, job: Job) -> list[Row]:
        """The curve so far. Raises: StoreUnavailable."""
        wanted = self._files.job_metrics(job.id, half_batch=job.half_batch).relative_to(self._files.job(job.id))
        files = self._with(job, wanted.as_posix())
        return read_rows(files.job_metrics(job.id, half_batch=job.half_batch))

    def checkpoints(self, job: Job) -> list[JobCheckpoint]:
        """By step. Raises: StoreUnavailable."""
        folder = self._files.job_checkpoints(job.id, half_batch=job.half_batch)
        state = self._elsewhere(job)
        if state is None:
            return read_checkpoints(folder)
        return _checkpoints(state, PurePosixPath(folder.relative_to(self._files.job(job.id)).as_posix()))

    def _elsewhere(self, job: Job) -> JobState | None:
        """What another host has stored; None: the job's folder here tells all."""
        if self._objects is None:
            return None
        state = newest_state(self._objects, job.id)
        mark = self._files.job_mark(job.id)
        here = mark.is_file() and (state is None or int(mark.read_text()) >= state.token)
        return None if here else state

    def _with(self, job: Job, *names: str) -> Files:
        """Where these files of the job can be read, as they are now."""
        for last in (False, True):
            state = self._elsewhere(job)
            if state is None:
                return self._files
            try:
                self._copy(job, state, names)
            except ObjectMissing as error:  # replaced by a newer one while we read
                if last:
                    raise StoreUnavailable(f"What the job {job.id} writes changes all the time; try again.") from error
            else:
                break
        return self._copies

    def _copy(self, job: Job, state: JobState, names: tuple[str, ...]) -> None:
        """Bring those that have changed since they were last looked at. Raises: ObjectMissing."""
        assert self._objects is not None
        folder = self._copies.job(job.id)
        with disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            for name in names:
                path, stored = folder / name, state.files.get(name)
                if stored is None:
                    path.unlink(missing_ok=True)
                    continue
                key = _key_beside(path)
                if not (key.is_file() and path.is_file() and key.read_text() == stored.content.key):
                    self._copies.write_atomic(path, self._objects.get(stored.content.key))
                    self._copies.write_atomic(key, stored.content.key.encode())


def _key_beside(path: Path) -> Path:
    """Where it is noted which object a copy is of."""
    return path.with_name(f".{path.name}.key")


def _checkpoints(state: JobState, folder: PurePosixPath) -> list[JobCheckpoint]:
    found = []
    for name, file in state.files.items():
        path = PurePosixPath(name)
        tensors = state.files.get(path.with_suffix(".safetensors").as_posix())
        if path.parent == folder and tensors is not None:
            num_bytes = file.content.num_bytes + tensors.content.num_bytes
            found.append(checkpoint_of(path.name, saved_s=file.saved_s, num_bytes=num_bytes))
    return in_order(found)
