"""What every command of `pfa` does alike: print, read the settings, and fail with a message."""

from collections.abc import Callable
from typing import NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from pfa_core.errors import PfaError
from pfa_store.settings import Settings

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def load_settings() -> Settings:
    """The environment's settings; where they are wrong, say so and exit."""
    try:
        return Settings()
    except ValidationError as error:
        fail("; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors()))


def announce(message: str) -> None:
    """Say what is going on, beside the output."""
    err.print(message, highlight=False, markup=False)


def fail(message: str) -> NoReturn:
    """Say what is wrong and exit with status 1."""
    err.print(f"[red]error:[/] {message}", highlight=False)
    raise typer.Exit(1)


def or_fail(action: Callable[[], object]) -> None:
    """Do it; an error of ours is told in a line, not as a traceback."""
    try:
        action()
    except PfaError as error:
        fail(str(error))
