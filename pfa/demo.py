"""The whole way on sample clips, through the service and over HTTP alone, as a user's own program would go it.

render clips -> POST /jobs/pretrain -> finetune pose and action, from motion and from random weights -> evaluate ->
predict on people never seen -> index and retrieve -> report.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from pfa.demo_report import report_of
from pfa.demo_service import DemoService
from pfa.demo_stages import Budget, own_videos, sample_clips
from pfa.errors import DemoFailed
from pfa.report import write_report
from pfa.up import StopRequested, service, stop_on_signals
from pfa_client.client import Client
from pfa_store.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """What `pfa demo` was asked for."""

    out: Path
    videos: Path | None = None
    """Pretraining and retrieval on the videos of this folder instead of the sample clips."""
    seed: int = 0
    budget: Budget = field(default_factory=Budget)


def run_demo(config: DemoConfig, console: Console) -> None:
    """Run the demo and write its report.

    Raises:
        DemoFailed: a job failed, was stopped from outside, or there are no videos.
    """
    started_s = time.monotonic()
    if config.videos is not None and not config.videos.is_dir():
        raise DemoFailed(f"{config.videos} is not a folder of videos.")
    try:
        with stop_on_signals(), _scratch(config.out) as scratch:
            settings = Settings(data_dir=scratch / "data", port=0, host="127.0.0.1", broker_url="", auth="on")
            console.print("Starting the service ...")
            with service(settings, console.print) as running:
                key = (settings.data_dir / "admin.key").read_text().strip()
                with Client(running.url, key) as client:
                    demo = DemoService(client=client, console=console, scratch=scratch, seed=config.seed)
                    results = (
                        sample_clips(demo, config.budget)
                        if config.videos is None
                        else own_videos(demo, config.videos, config.budget)
                    )
            settings_used = {"preset": "small", **asdict(config.budget)}
            report = report_of(results, seed=config.seed, timings_s=demo.timings_s, settings=settings_used)
            page = write_report(config.out, report)
    except StopRequested:
        console.print("Stopped; nothing is left behind.")
        raise DemoFailed("The demo was stopped before its end.") from None
    console.print(f"\nDone in {(time.monotonic() - started_s) / 60:.1f} minutes.")
    console.print(f"Report:  {page}\nFigures: {page.with_name('report.json')}", highlight=False)
    console.print("Next: `make up` (or `pfa up`) starts a service for your own videos; README.md shows the calls.")


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """A folder for the service's data and the clips, gone at the end however the demo ends."""
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".work-", dir=out))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
