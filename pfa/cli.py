"""The command `pfa`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pfa.backup_cli import backup, restore
from pfa.collections_cli import collections_app
from pfa.console import announce, err, load_settings, or_fail, out
from pfa.datasets_cli import datasets_app
from pfa.doctor_cli import doctor
from pfa.export_cli import export_folder
from pfa.front import HELP, PASSED_ON, Front
from pfa.gc_cli import collect
from pfa.import_cli import import_data
from pfa.jobs_cli import jobs_app
from pfa.keys_cli import keys_app
from pfa.models_cli import models_app
from pfa.objects_cli import objects_app
from pfa.packs_cli import packs_app
from pfa.remote import AsJson, print_json
from pfa.videos_cli import videos_app
from pfa.workers_cli import list_workers

app = typer.Typer(
    cls=Front,
    context_settings=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Pose features learned from unlabelled video: training jobs and a prediction service.",
)
app.add_typer(keys_app, name="keys")
app.add_typer(objects_app, name="objects")
app.add_typer(packs_app, name="packs")
app.add_typer(jobs_app, name="jobs")
app.add_typer(models_app, name="models")
app.add_typer(datasets_app, name="datasets")
app.add_typer(videos_app, name="videos")
app.add_typer(collections_app, name="collections")
app.command(name="workers")(list_workers)
app.command(name="import")(import_data)
app.command(name="gc")(collect)
app.command()(backup)
app.command()(restore)
app.command(name="export")(export_folder)
app.command()(doctor)


@app.command()
def up() -> None:
    """Start everything on this machine: broker, API and workers. Ctrl-C stops it all."""
    from pfa.up import Running, run

    settings = load_settings()

    def ready(running: Running) -> None:
        out.print(f"PFA answers at [bold]{running.url}[/] (broker: {running.broker}, data: {settings.data_dir})")
        if running.admin_key:
            out.print(f"Admin key, shown this once (kept in {settings.data_dir / 'admin.key'}):\n{running.admin_key}")
        out.print(f"Try: curl {running.url}/health/ready   Docs: {running.url}/docs   Ctrl-C stops.")
        out.print(f"Logs: {settings.data_dir / 'logs'}")

    or_fail(lambda: run(settings, announce, ready))


@app.command()
def api(
    processes: Annotated[int | None, typer.Option(min=1, help="Instead of PFA_API_PROCESSES")] = None,
) -> None:
    """Serve the HTTP API alone."""
    if processes is not None:
        os.environ["PFA_API_PROCESSES"] = str(processes)
    load_settings()
    os.execv(sys.executable, [sys.executable, "-m", "api.serve"])


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Bring the tables of the database up to date. API and workers do that too when they start."""
    from pfa_store.store import Store

    settings = load_settings()
    or_fail(lambda: Store.open(settings).close())
    if as_json:
        print_json({"up_to_date": True})
    else:
        out.print("The tables are up to date.")


@app.command()
def worker(
    queue: Annotated[str, typer.Option(help="Queues to serve: flow, train, or both as flow,train")],
) -> None:
    """Run jobs of the named queues."""
    load_settings()
    os.execv(sys.executable, [sys.executable, "-m", "workers.serve", "--queue", queue])


@app.command()
def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Where the report goes")] = Path("demo-report"),
    videos: Annotated[Path | None, typer.Option(help="Use your own videos: pretraining and retrieval only")] = None,
    seed: Annotated[int, typer.Option(help="Decides every random choice")] = 0,
    as_json: AsJson = False,
) -> None:
    """The whole way on sample clips: pretrain, finetune, predict, retrieve, and a report at the end."""
    from pfa.demo import DemoConfig, run_demo

    or_fail(lambda: run_demo(DemoConfig(out=out_dir, videos=videos, seed=seed), err if as_json else out))
    if as_json:
        print_json(json.loads((out_dir / "report.json").read_bytes()))


@app.command(context_settings=PASSED_ON)
def flow(context: typer.Context) -> None:
    """Measure the flow of videos without a service: packs, or .flo, .npz or .png files. See flow --help."""
    _recipe("flow", context)


@app.command(context_settings=PASSED_ON)
def pretrain(context: typer.Context) -> None:
    """Learn pose features from videos without a service; --dry-run tells what it will need. See pretrain --help."""
    _recipe("pretrain", context)


@app.command(context_settings=PASSED_ON)
def finetune(context: typer.Context) -> None:
    """Train a pose or an action model on labels without a service. See finetune --help."""
    _recipe("finetune", context)


@app.command(context_settings=PASSED_ON)
def evaluate(context: typer.Context) -> None:
    """Score a model folder on labelled files without a service. See evaluate --help."""
    _recipe("evaluate", context)


@app.command(context_settings=PASSED_ON)
def tables(context: typer.Context) -> None:
    """Does pretraining help on your own data? The paper's tables with intervals over seeds. See tables --help."""
    _recipe("tables", context)


@app.command(context_settings=PASSED_ON)
def predict(context: typer.Context) -> None:
    """Poses, or actions, of images and videos, without a service. See predict --help."""
    _recipe("predict", context)


@app.command(context_settings=PASSED_ON)
def index(context: typer.Context) -> None:
    """Make a gallery folder of images and videos, without a service. See index --help."""
    _recipe("index", context)


@app.command(context_settings=PASSED_ON)
def retrieve(context: typer.Context) -> None:
    """Find the nearest poses in a gallery folder, without a service. See retrieve --help."""
    _recipe("retrieve", context)


def _recipe(name: str, context: typer.Context) -> None:
    """Become a process that reads the arguments itself: its allocator is set before torch is loaded."""
    from pfa_store.tuning import TUNING

    command = [sys.executable, "-m", f"pfa.{name}_cli", *context.args]
    os.execve(sys.executable, command, {**TUNING, **os.environ})


@app.command()
def settings(*, as_json: AsJson = False) -> None:
    """Print the environment variables that PFA reads, as a Markdown table."""
    from pfa.settings_table import settings_list, settings_table

    if as_json:
        print_json(settings_list())
    else:
        print(settings_table())
