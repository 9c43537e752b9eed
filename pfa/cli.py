"""The command `pfa`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pfa.console import announce, load_settings, or_fail, out
from pfa.import_cli import import_data
from pfa.jobs_cli import jobs_app
from pfa.packs_cli import packs_app

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Pose features learned from unlabelled video: training jobs and a prediction service.",
)
keys_app = typer.Typer(no_args_is_help=True, help="API keys of this installation.")
app.add_typer(keys_app, name="keys")
app.add_typer(packs_app, name="packs")
app.add_typer(jobs_app, name="jobs")
app.command(name="import")(import_data)


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
def api() -> None:
    """Serve the HTTP API alone."""
    load_settings()
    os.execv(sys.executable, [sys.executable, "-m", "api.serve"])


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


@app.command()
def settings() -> None:
    """Print the environment variables that PFA reads, as a Markdown table."""
    from pfa.settings_table import settings_table

    print(settings_table())


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What or who the key is for")],
    scopes: Annotated[str, typer.Option(help="Comma-separated: read, predict, jobs, admin")] = "read,predict",
) -> None:
    """Create a key and print its secret, once."""
    from pfa_store.store import Store

    created, secret = Store.open(load_settings()).keys.create(name, [scope.strip() for scope in scopes.split(",")])
    out.print(f"{created.id} ({', '.join(created.scopes)}):")
    out.print(secret)


@keys_app.command("list")
def list_keys() -> None:
    """List keys, without their secrets."""
    from pfa_store.store import Store

    table = Table("id", "name", "scopes", "revoked")
    for key in Store.open(load_settings()).keys.list():
        table.add_row(key.id, key.name, ", ".join(key.scopes), "yes" if key.revoked_s else "")
    out.print(table)


@keys_app.command("revoke")
def revoke_key(key_id: str) -> None:
    """Make a key useless from now on."""
    from pfa_store.store import Store

    or_fail(lambda: Store.open(load_settings()).keys.revoke(key_id))
    out.print(f"{key_id} is revoked.")
