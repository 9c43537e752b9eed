"""Calls about jobs."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from pfa_client import reading
from pfa_client.files import PathLike, form
from pfa_client.records import Job, JobCheckpoint, JobEvent, JobFile, Worker, record
from pfa_client.transport import Call
from pfa_client.wire import Wire

JobKind = Literal["flow", "pretrain", "finetune", "evaluate", "index", "tables", "predict"]


class JobCalls(Wire):
    """Jobs."""

    def start_job(
        self,
        kind: JobKind,
        *,
        files: Iterable[PathLike] | None = None,
        root: PathLike | None = None,
        annotations: PathLike | Sequence[PathLike] | None = None,
        idempotency_key: str | None = None,
        **spec: Any,  # noqa: ANN401  # the body of POST /jobs/{kind}
    ) -> Job:
        """Start a job; with `files`, the data set is made on the way.

        `spec` is the body, for example `dataset="walks", name="walker", preset="small", config={...}`.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        path = f"/jobs/{kind}"
        if files is None:
            call = Call(method="POST", path=path, json=spec, headers=headers, repeatable=True)
        else:
            call = Call(
                method="POST",
                path=path,
                headers=headers,
                fields={"config": json.dumps(spec)},
                parts=form(files, root=root, annotations=annotations),
                repeatable=True,
            )
        return reading.job(self._send(call).json())

    def predict_video(self, video: PathLike, *, task: Literal["pose", "action"], model: str, **config: Any) -> Job:  # noqa: ANN401  # keys of the job's `config`
        """Start a job that finds the poses or the actions of a video file; `predictions` has what it found."""
        return self.start_job("predict", files=[video], task=task, model=model, config=config)

    def predictions(self, job_id: str, *, video: str | None = None) -> Iterator[Mapping[str, Any]]:
        """What a prediction job found: frames with their `people`, or windows with their `labels`, in order."""
        return iter(self._pages(f"/jobs/{job_id}/predictions", video=video))

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        return reading.job(self._get(f"/jobs/{job_id}"))

    def jobs(self, *, status: str | None = None, kind: JobKind | None = None) -> Iterator[Job]:
        """Jobs, newest first."""
        return (reading.job(plain) for plain in self._pages("/jobs", status=status, kind=kind))

    def wait(
        self,
        job_id: str,
        on_progress: Callable[[Job], None] | None = None,
        *,
        every_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> Job:
        """Ask until the job is done, and return it, however it ended. One that is paused is waited for as well.

        Raises:
            TimeoutError: it was not done after `timeout_s`; it goes on.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            job = self.job(job_id)
            if on_progress is not None:
                on_progress(job)
            if job.done:
                return job
            if deadline_s is not None and time.monotonic() >= deadline_s:
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout_s} s")
            self._sleep(every_s)

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; it is done once its status is `cancelled`."""
        return reading.job(self._send(Call(method="POST", path=f"/jobs/{job_id}/cancel", repeatable=True)).json())

    def pause(self, job_id: str) -> Job:
        """Ask a job to write a checkpoint and wait; it does once its status is `paused`."""
        return reading.job(self._send(Call(method="POST", path=f"/jobs/{job_id}/pause", repeatable=True)).json())

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on from its checkpoint."""
        return reading.job(self._send(Call(method="POST", path=f"/jobs/{job_id}/resume")).json())

    def retry(self, job_id: str) -> Job:
        """Do a failed or cancelled job again, from its last checkpoint on."""
        return reading.job(self._send(Call(method="POST", path=f"/jobs/{job_id}/retry")).json())

    def job_events(self, job_id: str) -> Iterator[JobEvent]:
        """What has happened to a job so far, in order. Of much progress only the latest is kept."""
        return (record(JobEvent, plain) for plain in self._pages(f"/jobs/{job_id}/events"))

    def job_log(self, job_id: str, *, tail: int | None = None) -> str:
        """What the job's processes wrote; `tail`: only so many lines, the last."""
        call = Call(method="GET", path=f"/jobs/{job_id}/logs", params={"tail": tail}, repeatable=True)
        return self._send(call).text

    def job_metrics(self, job_id: str) -> list[Mapping[str, float]]:
        """The curve of a training job: rows of `step` and the figures measured there."""
        return list(self._get(f"/jobs/{job_id}/metrics"))

    def job_checkpoints(self, job_id: str) -> list[JobCheckpoint]:
        """The checkpoints that a training job would go on from, and its best weights, by step."""
        return [record(JobCheckpoint, plain) for plain in self._pages(f"/jobs/{job_id}/checkpoints")]

    def job_files(self, job_id: str) -> list[JobFile]:
        """The files that a job made; none until it has succeeded."""
        return [record(JobFile, plain) for plain in self._pages(f"/jobs/{job_id}/files")]

    def job_file(self, job_id: str, name: str) -> bytes:
        """A file that a job made, such as `evaluation.csv`."""
        return self._send(Call(method="GET", path=f"/jobs/{job_id}/files/{name}", repeatable=True)).content

    def workers(self) -> list[Worker]:
        """The workers that do the jobs, by queue."""
        return [record(Worker, plain) for plain in self._pages("/workers")]
