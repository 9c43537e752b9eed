"""`pfa jobs`: look at the jobs of a service, and cancel, pause, resume or retry them."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from pfa.console import FAILED, id_column, out
from pfa.remote import HERE, AsJson, Key, Limit, Url, print_json, talking
from pfa_client import Job

jobs_app = typer.Typer(no_args_is_help=True, help="Jobs of a service.")

JobId = Annotated[str, typer.Argument(help="Id of the job")]


@jobs_app.command("list")
def list_jobs(
    *,
    status: Annotated[str | None, typer.Option(help="Only those, such as running or paused")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """List jobs, newest first."""
    with talking(url, key) as client:
        found = [job for job, _ in zip(client.jobs(status=status), range(limit), strict=False)]
    if as_json:
        print_json(found)
        return
    table = Table(id_column(), "kind", "status", "phase", "step", "left", "priority", "created")
    for job in found:
        step = f"{job.progress.step}/{job.progress.total}" if job.progress.total else str(job.progress.step)
        table.add_row(job.id, job.kind, job.status, job.phase, step, _left(job), str(job.priority), job.created[:19])
    out.print(table)


@jobs_app.command("show")
def show_job(job_id: JobId, *, url: Url = HERE, key: Key = None) -> None:
    """Print a job, with its checkpoints, as JSON."""
    with talking(url, key) as client:
        job, checkpoints = client.job(job_id), client.job_checkpoints(job_id)
    print_json({**asdict(job), "checkpoints": [asdict(one) for one in checkpoints]})


@jobs_app.command("cancel")
def cancel_job(job_id: JobId, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Stop a job for good; `retry` takes it up again all the same."""
    with talking(url, key) as client:
        _say(client.cancel(job_id), as_json=as_json)


@jobs_app.command("pause")
def pause_job(job_id: JobId, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Have a job write a checkpoint and free its worker."""
    with talking(url, key) as client:
        _say(client.pause(job_id), as_json=as_json)


@jobs_app.command("resume")
def resume_job(job_id: JobId, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Let a paused job go on from its checkpoint."""
    with talking(url, key) as client:
        _say(client.resume(job_id), as_json=as_json)


@jobs_app.command("retry")
def retry_job(job_id: JobId, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Do a failed or cancelled job again, from its last checkpoint on."""
    with talking(url, key) as client:
        _say(client.retry(job_id), as_json=as_json)


@jobs_app.command("wait")
def wait_for_job(job_id: JobId, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Wait until a job is done, with a bar on stderr. Exit status 1 unless it succeeded."""
    with talking(url, key) as client:
        job = client.wait(job_id, progress=True)
    _say(job, as_json=as_json)
    if job.status != "succeeded":
        raise typer.Exit(FAILED)


@jobs_app.command("logs")
def print_log(
    job_id: JobId,
    *,
    tail: Annotated[int | None, typer.Option(help="Only so many lines, the last", min=1, max=10_000)] = None,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Print what a job's processes wrote."""
    with talking(url, key) as client:
        print(client.job_log(job_id, tail=tail), end="")


@jobs_app.command("events")
def print_events(job_id: JobId, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Print what happened to a job, in order."""
    with talking(url, key) as client:
        found = list(client.job_events(job_id))
    if as_json:
        print_json(found)
        return
    for event in found:
        facts = " ".join(f"{name}={value}" for name, value in event.data.items() if value not in (None, {}))
        print(f"{event.at[:19]}  {event.kind}  {facts}".rstrip())


def _say(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        print(f"{job.id} is {job.status}")


def _left(job: Job) -> str:
    eta_s = job.progress.eta_s
    if eta_s is None or job.done:
        return ""
    hours, minutes = divmod(round(eta_s / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if eta_s >= 60 else f"{eta_s:.0f} s"
