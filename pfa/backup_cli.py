"""`pfa backup` and `pfa restore`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pfa.console import load_settings, or_fail, out
from pfa.remote import AsJson, print_json

if TYPE_CHECKING:
    from pfa.backup import Backup


def backup(
    folder: Annotated[Path, typer.Argument(help="Where the backup goes: a folder that is not there yet")],
    *,
    as_json: AsJson = False,
) -> None:
    """Copy database and data folder, while everything runs."""
    from pfa.backup import back_up

    def run() -> None:
        made = back_up(load_settings(), folder, taken_s=time.time())
        if as_json:
            print_json({"folder": str(folder), **counts(made)})
            return
        out.print(f"{folder}: {made.num_rows} rows, {made.num_files} files, {made.num_bytes / 2**20:.1f} MiB")
        out.print("It has the admin key and everything that was uploaded: keep it where only you can read it.")

    or_fail(run)


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup that `pfa backup` made")], *, as_json: AsJson = False
) -> None:
    """Fill a new installation (PFA_DATA_DIR, PFA_DATABASE_URL) from a backup, before it is started."""
    from pfa.restore import restore as fill

    def run() -> None:
        settings = load_settings()
        found = fill(settings, folder)
        if as_json:
            print_json({"data_dir": str(settings.data_dir), **counts(found)})
            return
        out.print(f"{settings.data_dir}: {found.num_rows} rows, {found.num_files} files. Jobs that ran go on: pfa up")

    or_fail(run)


def counts(made: "Backup") -> dict[str, object]:
    """What a backup holds, without the checksums of its files."""
    names = ("format", "taken_s", "revision", "num_rows", "num_files", "num_bytes")
    return {name: getattr(made, name) for name in names}
