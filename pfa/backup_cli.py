"""`pfa backup` and `pfa restore`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import load_settings, or_fail, out


def backup(
    folder: Annotated[Path, typer.Argument(help="Where the backup goes: a folder that is not there yet")],
) -> None:
    """Copy database and data folder, while everything runs."""
    from pfa.backup import back_up

    def run() -> None:
        made = back_up(load_settings(), folder, taken_s=time.time())
        out.print(f"{folder}: {made.num_rows} rows, {made.num_files} files, {made.num_bytes / 2**20:.1f} MiB")
        out.print("It has the admin key and everything that was uploaded: keep it where only you can read it.")

    or_fail(run)


def restore(folder: Annotated[Path, typer.Argument(help="A backup that `pfa backup` made")]) -> None:
    """Fill a new installation (PFA_DATA_DIR, PFA_DATABASE_URL) from a backup, before it is started."""
    from pfa.restore import restore as fill

    def run() -> None:
        settings = load_settings()
        found = fill(settings, folder)
        out.print(f"{settings.data_dir}: {found.num_rows} rows, {found.num_files} files. Jobs that ran go on: pfa up")

    or_fail(run)
