"""The demo's hold on the service: start a job, show its progress, and insist that it succeeds."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pfa.errors import DemoFailed
from pfa_client.client import Client
from pfa_client.jobs import JobKind
from pfa_client.records import Job


@dataclass(slots=True, kw_only=True)
class DemoService:
    """A running service and what the demo has learned about it so far."""

    client: Client
    console: Console
    scratch: Path
    seed: int
    timings_s: dict[str, float] = field(default_factory=dict)
    """Stage -> wall time."""

    def run_job(
        self,
        kind: JobKind,
        title: str,
        *,
        files: Iterable[Path] | None = None,
        root: Path | None = None,
        annotations: Path | None = None,
        **spec: Any,  # noqa: ANN401  # the body of POST /jobs/{kind}
    ) -> Job:
        """Start a job and wait for it with a progress bar.

        Raises:
            DemoFailed: it failed or was cancelled.
        """
        started_s = time.monotonic()
        job = self.client.start_job(kind, files=files, root=root, annotations=annotations, seed=self.seed, **spec)
        with self._bar() as bar:
            task = bar.add_task(title, total=None, note="")

            def show(now: Job) -> None:
                total = now.progress.total or None
                note = f"{now.phase}  {_figures(now.progress.metrics)}" if not now.done else now.status
                bar.update(task, completed=now.progress.step, total=total, note=note)

            job = self.client.wait(job.id, show, every_s=0.5)
        self.timings_s[title] = round(time.monotonic() - started_s, 1)
        if job.status != "succeeded":
            reason = (job.error or {}).get("message", "no reason was given")
            raise DemoFailed(f"{title}: the job {job.id} ended {job.status}: {reason}")
        return job

    def result(self, job: Job) -> Mapping[str, Any]:
        """What a succeeded job made."""
        assert job.result is not None
        return job.result

    def _bar(self) -> Progress:
        return Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}"),
            console=self.console,
        )


def _figures(metrics: Mapping[str, Any]) -> str:
    wanted = ("loss", "accuracy", "pdj@0.2")
    return "  ".join(f"{name} {metrics[name]:.3f}" for name in wanted if isinstance(metrics.get(name), int | float))
