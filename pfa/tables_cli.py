"""`pfa tables`: does pretraining help on my own data? The paper's tables 1 to 4, with intervals over seeds."""

import json
from collections.abc import Generator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import announce, or_fail, out
from pfa.ending import Document
from pfa.front import HELP
from pfa.pretrain_cli import attended, overrides_of
from pfa.remote import AsJson, print_json
from pfa.tables_data import read_data
from pfa.tables_file import read_data_file
from pfa.tables_processes import run_shared
from pfa_core.config import tables as presets
from pfa_core.config.tables import LEARNED, RANDOM, TablesConfig
from pfa_core.durable import write_atomic
from pfa_core.errors import ConfigInvalid
from pfa_core.progress import Progress
from pfa_core.tables.bench import Bench
from pfa_core.tables.cell import Cell
from pfa_core.tables.files import JSON, table_files
from pfa_store.specs import resolve

TASKS = ("pose", "action", "static", "look")

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)


class Budget(StrEnum):
    SMALL = "small"
    PAPER = "paper"


@app.command(name="pfa tables")
def tables(
    data: Annotated[Path, typer.Option(help="JSON that names videos and labelled sets", exists=True, dir_okay=False)],
    *,
    out_dir: Annotated[Path, typer.Option("--out", help="Tables, pictures, runs: the same command goes on")],
    budget: Annotated[Budget, typer.Option(help="What every run starts from")] = Budget.SMALL,
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs of each kind")] = None,
    init: Annotated[list[str] | None, typer.Option(help="A pretrained model folder: --init motion=DIR")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Do only these tasks (pose, action, static, look) or initialisations now")
    ] = None,
    values: Annotated[list[str] | None, typer.Option("--set", help="A value: --set pose.learn.steps=800")] = None,
    packs: Annotated[Path | None, typer.Option(help="Packs of the videos; else in the out folder")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Share the runs among so many processes")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train and test each initialisation under the same budget and seeds, and write the tables. Ctrl-C stops.

    What is done stays done: with more seeds or sets the same command does the rest.
    """

    def run() -> None:
        given = given_models(init or [])
        config = configured(budget, values or [], seeds=seeds, given=given)
        made = attended(
            compare(
                data, config=config, given=given, only=only or [], folder=out_dir, packs=packs or out_dir / "packs",
                processes=processes, device=device,
            )
        )  # fmt: skip
        if as_json:
            print_json(made)
        else:
            out.print(f"The tables are in {out_dir / 'tables.md'}.", markup=False, highlight=False)

    or_fail(run)


def compare(
    data_file: Path,
    *,
    config: TablesConfig,
    given: Mapping[str, Path],
    only: Sequence[str],
    folder: Path,
    packs: Path,
    processes: int,
    device: str,
) -> Generator[Progress, None, Document]:
    """All of it; the tables of what is done are also written when it is stopped.

    Returns:
        {"folder", "num_cells", "num_done", "files": [name]}; of the files `tables.json` has every figure.
    """
    _check_only(only, config)
    learned = [name for name in config.initialisations if name in LEARNED and name != "action" and name not in given]
    data, lines = yield from read_data(
        read_data_file(data_file), data_file.parent, config=config, out=folder, packs=packs,
        pretrains=bool(learned),
    )  # fmt: skip
    for line in lines:
        announce(line)
    bench = Bench(config=config, data=data, folder=folder, given=given, device=device, packs=packs)
    bench.starts.check()
    try:
        yield from run_shared(bench, chosen_cells(bench.cells, only), processes=processes)
    finally:
        files = table_files(bench)
        for name, content in files.items():
            write_atomic(folder / name, content)
    told = json.loads(files[JSON])
    return {"folder": str(folder), "num_cells": told["num_cells"], "num_done": told["num_done"], "files": list(files)}


def chosen_cells(cells: Sequence[Cell], only: Sequence[str]) -> list[Cell]:
    """The cells of the tasks and initialisations that are named, and the models that they start from; all for none."""
    tasks = {name for name in only if name in TASKS} or {*TASKS}
    names = {name for name in only if name not in TASKS}
    kept = [cell for cell in cells if cell.task in tasks and (not names or cell.initialisation in names)]
    needed = {cell.initialisation for cell in kept}
    return [cell for cell in cells if cell in kept or (cell.task == "learn" and cell.initialisation in needed)]


def _check_only(only: Sequence[str], config: TablesConfig) -> None:
    known = (*TASKS, *config.initialisations)
    for name in only:
        if name not in known:
            raise ConfigInvalid(
                f"--only {name!r} is neither a task nor an initialisation; there are {', '.join(known)}."
            )


def given_models(assignments: Sequence[str]) -> dict[str, Path]:
    """`["motion=DIR"]` -> initialisation: folder. Raises: ConfigInvalid."""
    found = {}
    for assignment in assignments:
        name, equals, folder = assignment.partition("=")
        if not equals or not name or name == RANDOM:
            raise ConfigInvalid(f"--init wants name=folder of a model, and a name other than 'random': {assignment!r}.")
        found[name] = Path(folder)
    return found


def configured(budget: Budget, values: Sequence[str], *, seeds: int | None, given: dict[str, Path]) -> TablesConfig:
    """The preset with single values replaced, and with a row for every model that is given.

    Raises:
        ConfigInvalid: as `specs.resolve`, or something without `=`.
    """
    overrides = overrides_of(values)
    base = presets.paper() if budget is Budget.PAPER else presets.small()
    names = overrides.get("initialisations", base.initialisations)
    overrides["initialisations"] = list(dict.fromkeys([*names, *given]))
    if seeds is not None:
        overrides["seeds"] = seeds
    return resolve(base, overrides)


if __name__ == "__main__":
    app()
