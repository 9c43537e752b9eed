"""`pfa doctor`: whether this installation can work, and what to do where it cannot."""

from collections.abc import Callable, Iterable
from functools import partial

import typer
from rich.table import Table
from rich.text import Text

from pfa.console import FAILED, load_settings, out
from pfa.doctor import machine
from pfa.doctor.broker import broker
from pfa.doctor.database import database
from pfa.doctor.finding import Finding, examined
from pfa.doctor.folder import data_folder
from pfa.doctor.objects import object_store
from pfa.doctor.port import port
from pfa.remote import AsJson, print_json
from pfa_store.settings import Settings

COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}


def doctor(*, as_json: AsJson = False) -> None:
    """Look at everything that PFA needs here, and say what to do. Exit status 1 if something will not work."""
    found = list(examined(checks(load_settings())))
    broken = any(each.verdict == "broken" for each in found)
    if as_json:
        print_json({"healthy": not broken, "findings": found})
    else:
        _show(found)
    if broken:
        raise typer.Exit(FAILED)


def checks(settings: Settings) -> list[Callable[[], Iterable[Finding]]]:
    """Everything that is looked at, in the order in which it is told."""
    return [
        machine.python,
        _named("packages", lambda: machine.packages(machine.requirements(), machine.locked())),
        machine.processor,
        machine.memory,
        machine.gpu,
        machine.shared_memory,
        _named("clock", partial(machine.clock, settings.data_dir)),
        _named("data folder", partial(data_folder, settings)),
        _named("object store", partial(object_store, settings)),
        _named("broker", partial(broker, settings)),
        _named("database", partial(database, settings)),
        _named("port", partial(port, settings)),
    ]


def _named(name: str, check: Callable[[], Iterable[Finding]]) -> Callable[[], Iterable[Finding]]:
    def named() -> Iterable[Finding]:
        return check()

    named.__name__ = name
    return named


def _show(found: list[Finding]) -> None:
    table = Table("check", "", "what")
    for each in found:
        what = Text(each.says)
        if each.remedy:
            what.append(f"\n-> {each.remedy}")
        table.add_row(each.check, Text(each.verdict, style=COLOURS[each.verdict]), what)
    out.print(table)
    counts = {verdict: sum(each.verdict == verdict for each in found) for verdict in COLOURS}
    out.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()), highlight=False)
