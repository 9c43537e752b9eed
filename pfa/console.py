"""What every command of `pfa` does alike: print, read the settings, and fail with a message."""

import sys
from collections.abc import Callable
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Column
from rich.text import Text

from pfa_core.errors import PfaError
from pfa_store.settings import Settings

FAILED, UNREACHABLE, STOPPED = 1, 3, 130
"""Exit statuses beside 0, and 2 for a command line that does not parse: it cannot be done; the service does not answer;
Ctrl-C."""

NOT_NARROW = 200
"""Where output goes to a file or another program, a line has this many columns."""

out = Console(soft_wrap=True, width=None if sys.stdout.isatty() else NOT_NARROW)
err = Console(stderr=True, soft_wrap=True)


def id_column() -> Column:
    """Ids are there to be copied: however narrow the terminal, they stay whole."""
    return Column("id", no_wrap=True, min_width=36)


def load_settings() -> Settings:
    """The environment's settings; where they are wrong, say so and exit."""
    try:
        return Settings()
    except ValidationError as error:
        fail("; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors()))


def announce(message: str) -> None:
    """Say what is going on, beside the output."""
    err.print(message, highlight=False, markup=False)


def fail(message: str, *, status: int = FAILED) -> NoReturn:
    """Say what is wrong and exit."""
    err.print("[red]error:[/]", Text(message), highlight=False)
    raise typer.Exit(status)


def or_fail(action: Callable[[], object]) -> None:
    """Do it; an error of ours is told in a line, not as a traceback."""
    try:
        action()
    except PfaError as error:
        fail(str(error))
