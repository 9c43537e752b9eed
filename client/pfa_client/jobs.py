"""Calls about jobs."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pfa_client import reading
from pfa_client.events import EventStream
from pfa_client.files import PathLike, form
from pfa_client.methods import call, follow, job_call, job_listing, listing
from pfa_client.pages import Pages
from pfa_client.progress_bar import watching
from pfa_client.records import Job, JobCheckpoint, JobEvent, JobFile, record
from pfa_client.transport import Call, Pause, Steps, at
from pfa_client.wire import Wire

JobKind = Literal["flow", "pretrain", "finetune", "evaluate", "index", "tables", "predict"]


class JobCalls(Wire):
    """Jobs."""

    @job_call
    def start_job(
        self,
        /,
        kind: JobKind,
        *,
        files: Iterable[PathLike] | None = None,
        root: PathLike | None = None,
        annotations: PathLike | Sequence[PathLike] | None = None,
        idempotency_key: str | None = None,
        **spec: Any,  # noqa: ANN401  # the body of POST /jobs/{kind}
    ) -> Steps[Job]:
        """Start a job; with `files`, the data set is made on the way.

        `spec` is the body, for example `dataset="walks", name="walker", preset="small", config={...}`.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        path = at("jobs", kind)
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
        return reading.job((yield from self._json(call)))

    @job_call
    def predict_video(
        self,
        /,
        video: PathLike,
        *,
        task: Literal["pose", "action"],
        model: str,
        **config: Any,  # noqa: ANN401  # keys of the job's `config`
    ) -> Steps[Job]:
        """Start a job that finds the poses or the actions of a video file; `predictions` has what it found."""
        fields = {"config": json.dumps({"task": task, "model": model, "config": config})}
        parts = form([video], root=None, annotations=None)
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        call = Call(method="POST", path="/jobs/predict", fields=fields, headers=headers, parts=parts, repeatable=True)
        return reading.job((yield from self._json(call)))

    @listing
    def predictions(self, job_id: str, *, video: str | None = None) -> Pages[Mapping[str, Any]]:
        """What a prediction job found: frames with their `people`, or windows with their `labels`, in order."""
        return Pages(path=at("jobs", job_id, "predictions"), read=lambda plain: plain, wanted={"video": video})

    @job_call
    def job(self, job_id: str) -> Steps[Job]:
        """A job as it is now."""
        return reading.job((yield from self._get(at("jobs", job_id))))

    @job_listing
    def jobs(self, *, status: str | None = None, kind: JobKind | None = None) -> Pages[Job]:
        """Jobs, newest first."""
        return Pages(path="/jobs", read=reading.job, wanted={"status": status, "kind": kind})

    @job_call
    def wait(
        self,
        job_id: str,
        on_progress: Callable[[Job], None] | None = None,
        *,
        progress: bool = False,
        every_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> Steps[Job]:
        """Ask until the job is done, and return it, however it ended. One that is paused is waited for as well.

        Args:
            on_progress: told at each look.
            progress: draw a bar on stderr, with Rich where it is installed.
            every_s: between two looks.

        Raises:
            TimeoutError: it was not done after `timeout_s`; it goes on.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with watching(on_progress, bar=progress) as show:
            while True:
                job = reading.job((yield from self._get(at("jobs", job_id))))
                show(job)
                if job.done:
                    return job
                if deadline_s is not None and time.monotonic() >= deadline_s:
                    raise TimeoutError(f"job {job_id} is still {job.status} after {timeout_s} s")
                yield Pause(seconds=every_s)

    @job_call
    def cancel(self, job_id: str) -> Steps[Job]:
        """Ask a job to stop; it is done once its status is `cancelled`."""
        return (yield from self._told(job_id, "cancel", repeatable=True))

    @job_call
    def pause(self, job_id: str) -> Steps[Job]:
        """Ask a job to write a checkpoint and wait; it does once its status is `paused`."""
        return (yield from self._told(job_id, "pause", repeatable=True))

    @job_call
    def resume(self, job_id: str) -> Steps[Job]:
        """Let a paused job go on from its checkpoint."""
        return (yield from self._told(job_id, "resume"))

    @job_call
    def retry(self, job_id: str) -> Steps[Job]:
        """Do a failed or cancelled job again, from its last checkpoint on."""
        return (yield from self._told(job_id, "retry"))

    @listing
    def job_events(self, job_id: str) -> Pages[JobEvent]:
        """What has happened to a job so far, in order. Of much progress only the latest is kept."""
        return Pages(path=at("jobs", job_id, "events"), read=lambda plain: record(JobEvent, plain))

    @follow
    def follow(self, job_id: str, *, after: int = 0) -> EventStream:
        """What has happened to a job since the event `after`, and what happens, until it is done.

        A connection that is cut is made anew, and goes on after the last event that came.
        """
        return EventStream(path=at("jobs", job_id, "events"), url=self._url, retries=self._retries, after=after)

    @call
    def job_log(self, job_id: str, *, tail: int | None = None) -> Steps[str]:
        """What the job's processes wrote; `tail`: only so many lines, the last."""
        call = Call(method="GET", path=at("jobs", job_id, "logs"), params={"tail": tail}, repeatable=True)
        return (yield from self._send(call)).text

    @call
    def job_metrics(self, job_id: str) -> Steps[list[Mapping[str, float]]]:
        """The curve of a training job: rows of `step` and the figures measured there."""
        return list((yield from self._get(at("jobs", job_id, "metrics"))))

    @call
    def job_checkpoints(self, job_id: str) -> Steps[list[JobCheckpoint]]:
        """The checkpoints that a training job would go on from, and its best weights, by step."""
        return [record(JobCheckpoint, plain) for plain in (yield from self._all(at("jobs", job_id, "checkpoints")))]

    @call
    def job_files(self, job_id: str) -> Steps[list[JobFile]]:
        """The files that a job made; none until it has succeeded."""
        return [record(JobFile, plain) for plain in (yield from self._all(at("jobs", job_id, "files")))]

    @call
    def job_file(self, job_id: str, name: str) -> Steps[bytes]:
        """A file that a job made, such as `evaluation.csv`."""
        call = Call(method="GET", path=at("jobs", job_id, "files", name), repeatable=True)
        return (yield from self._send(call)).content

    @call
    def save_job_file(self, job_id: str, name: str, path: PathLike) -> Steps[None]:
        """Write a file that a job made to `path`, without holding it in memory."""
        yield from self._send(
            Call(method="GET", path=at("jobs", job_id, "files", name), repeatable=True, to=Path(path))
        )

    def _told(self, job_id: str, what: str, *, repeatable: bool = False) -> Steps[Job]:
        return reading.job(
            (yield from self._json(Call(method="POST", path=at("jobs", job_id, what), repeatable=repeatable)))
        )
