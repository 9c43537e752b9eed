"""`pfa jobs`: look at the jobs of a service, and cancel, pause, resume or retry them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from pfa.console import fail, out
from pfa_client import Client, ClientError, Job

jobs_app = typer.Typer(no_args_is_help=True, help="Jobs of a service.")

Url = Annotated[str, typer.Option(help="The service", envvar="PFA_URL")]
Key = Annotated[str | None, typer.Option(help="An API key with the scope read; jobs, to change one", envvar="PFA_KEY")]
JobId = Annotated[str, typer.Argument(help="Id of the job")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]

HERE = "http://127.0.0.1:8000"


@jobs_app.command("list")
def list_jobs(
    *,
    status: Annotated[str | None, typer.Option(help="Only those, such as running or paused")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest", min=1)] = 50,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """List jobs, newest first."""
    with _talking(url, key) as client:
        found = [job for job, _ in zip(client.jobs(status=status), range(limit), strict=False)]
    if as_json:
        _print_json([asdict(job) for job in found])
        return
    table = Table("id", "kind", "status", "phase", "step", "left", "priority", "created")
    for job in found:
        step = f"{job.progress.step}/{job.progress.total}" if job.progress.total else str(job.progress.step)
        table.add_row(job.id, job.kind, job.status, job.phase, step, _left(job), str(job.priority), job.created[:19])
    out.print(table)


@jobs_app.command("show")
def show_job(job_id: JobId, *, url: Url = HERE, key: Key = None) -> None:
    """Print a job, with its checkpoints, as JSON."""
    with _talking(url, key) as client:
        job, checkpoints = client.job(job_id), client.job_checkpoints(job_id)
    _print_json({**asdict(job), "checkpoints": [asdict(one) for one in checkpoints]})


@jobs_app.command("cancel")
def cancel_job(job_id: JobId, *, url: Url = HERE, key: Key = None) -> None:
    """Stop a job for good; `retry` takes it up again all the same."""
    with _talking(url, key) as client:
        _say(client.cancel(job_id))


@jobs_app.command("pause")
def pause_job(job_id: JobId, *, url: Url = HERE, key: Key = None) -> None:
    """Have a job write a checkpoint and free its worker."""
    with _talking(url, key) as client:
        _say(client.pause(job_id))


@jobs_app.command("resume")
def resume_job(job_id: JobId, *, url: Url = HERE, key: Key = None) -> None:
    """Let a paused job go on from its checkpoint."""
    with _talking(url, key) as client:
        _say(client.resume(job_id))


@jobs_app.command("retry")
def retry_job(job_id: JobId, *, url: Url = HERE, key: Key = None) -> None:
    """Do a failed or cancelled job again, from its last checkpoint on."""
    with _talking(url, key) as client:
        _say(client.retry(job_id))


@jobs_app.command("logs")
def print_log(
    job_id: JobId,
    *,
    tail: Annotated[int | None, typer.Option(help="Only so many lines, the last", min=1, max=10_000)] = None,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Print what a job's processes wrote."""
    with _talking(url, key) as client:
        print(client.job_log(job_id, tail=tail), end="")


@jobs_app.command("events")
def print_events(job_id: JobId, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Print what happened to a job, in order."""
    with _talking(url, key) as client:
        found = list(client.job_events(job_id))
    if as_json:
        _print_json([asdict(event) for event in found])
        return
    for event in found:
        facts = " ".join(f"{name}={value}" for name, value in event.data.items() if value not in (None, {}))
        print(f"{event.at[:19]}  {event.kind}  {facts}".rstrip())


@contextmanager
def _talking(url: str, key: str | None) -> Iterator[Client]:
    """A client; what the service refuses, or that it does not answer, is told in a line."""
    try:
        with Client(url, key) as client:
            yield client
    except ClientError as error:
        fail(str(error))


def _say(job: Job) -> None:
    print(f"{job.id} is {job.status}")


def _left(job: Job) -> str:
    eta_s = job.progress.eta_s
    if eta_s is None or job.done:
        return ""
    hours, minutes = divmod(round(eta_s / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if eta_s >= 60 else f"{eta_s:.0f} s"


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))
