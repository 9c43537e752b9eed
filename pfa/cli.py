"""The command `pfa`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pfa.backup_cli import backup, restore
from pfa.console import announce, load_settings, or_fail, out
from pfa.export_cli import export_folder
from pfa.import_cli import import_data
from pfa.jobs_cli import jobs_app
from pfa.keys_cli import keys_app
from pfa.packs_cli import packs_app

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Pose features learned from unlabelled video: training jobs and a prediction service.",
)
app.add_typer(keys_app, name="keys")
app.add_typer(packs_app, name="packs")
app.add_typer(jobs_app, name="jobs")
app.command(name="import")(import_data)
app.command()(backup)
app.command()(restore)
app.command(name="export")(export_folder)


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
def migrate() -> None:
    """Bring the tables of the database up to date. API and workers do that too when they start."""
    from pfa_store.store import Store

    settings = load_settings()
    or_fail(lambda: Store.open(settings).close())
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
) -> None:
    """The whole way on sample clips: pretrain, finetune, predict, retrieve, and a report at the end."""
    from pfa.demo import DemoConfig, run_demo

    or_fail(lambda: run_demo(DemoConfig(out=out_dir, videos=videos, seed=seed), out))


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def pretrain(context: typer.Context) -> None:
    """Learn pose features from videos without a service; --dry-run tells what it will need. See pretrain --help."""
    from pfa_store.tuning import TUNING

    command = [sys.executable, "-m", "pfa.pretrain_cli", *context.args]
    os.execve(sys.executable, command, {**TUNING, **os.environ})


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def tables(context: typer.Context) -> None:
    """Does pretraining help on your own data? The paper's tables with intervals over seeds. See tables --help."""
    from pfa_store.tuning import TUNING

    command = [sys.executable, "-m", "pfa.tables_cli", *context.args]
    os.execve(sys.executable, command, {**TUNING, **os.environ})


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def predict(context: typer.Context) -> None:
    """Poses, or actions, of images and videos, without a service. See predict --help."""
    from pfa_store.tuning import TUNING

    command = [sys.executable, "-m", "pfa.predict_cli", *context.args]
    os.execve(sys.executable, command, {**TUNING, **os.environ})


def index(context: typer.Context) -> None:
    """Make a gallery folder of images and videos, without a service. See index --help."""
    from pfa_store.tuning import TUNING

    os.execve(sys.executable, [sys.executable, "-m", "pfa.index_cli", *context.args], {**TUNING, **os.environ})


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def retrieve(context: typer.Context) -> None:
    """Find the nearest poses in a gallery folder, without a service. See retrieve --help."""
    from pfa_store.tuning import TUNING

    os.execve(sys.executable, [sys.executable, "-m", "pfa.retrieve_cli", *context.args], {**TUNING, **os.environ})


@app.command()
def settings() -> None:
    """Print the environment variables that PFA reads, as a Markdown table."""
    from pfa.settings_table import settings_table

    print(settings_table())
