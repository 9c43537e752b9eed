"""`pfa pretrain`: the pretraining recipe over files, without a service; or a rehearsal of it."""

import contextlib
import json
import signal
import tempfile
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from pfa.console import announce, err, or_fail, out
from pfa.ending import tell
from pfa.front import HELP
from pfa.pretraining import describe, learn, measured, rehearsed
from pfa.remote import AsJson, print_json
from pfa_core.config import pretrain as presets
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.errors import ConfigInvalid
from pfa_core.progress import Progress
from pfa_core.torchrun import leads
from pfa_store.specs import resolve
from workers.stop_flag import StopFlag

R = TypeVar("R")

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)


class Preset(StrEnum):
    SMALL = "small"
    PAPER = "paper"


@app.command(name="pfa pretrain")
def pretrain(
    videos: Annotated[list[Path] | None, typer.Argument(help="Videos, or folders of them", exists=True)] = None,
    *,
    preset: Annotated[Preset, typer.Option(help="What to start from")] = Preset.SMALL,
    values: Annotated[list[str] | None, typer.Option("--set", help="A value: --set learn.batch_size=64")] = None,
    devices: Annotated[int | None, typer.Option(help="Train on so many GPUs (on a CPU: in so many processes)")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Decides every random choice")] = 0,
    out_dir: Annotated[Path, typer.Option("--out", help="Where the model goes")] = Path("pretrained"),
    work: Annotated[Path, typer.Option(help="Packs and checkpoints: run it again to go on")] = Path("pretrain-work"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="A few steps, and what the whole run will need")] = False,
    warm_up: Annotated[int, typer.Option(min=1, help="Dry run: steps before those that are measured")] = 2,
    steps: Annotated[int, typer.Option(min=1, help="Dry run: steps that are measured")] = 5,
    as_json: AsJson = False,
) -> None:
    """Learn pose features from videos, here and now. Ctrl-C stops with a checkpoint.

    A dry run without videos takes noise of the right size.
    """

    def run() -> None:
        config = configured(preset, values or [], devices=devices)
        if not dry_run:
            made = attended(learn(videos or [], config=config, seed=seed, device=device, work=work, out=out_dir))
            if made is not None:
                tell(made, as_json=as_json)
            return
        with tempfile.TemporaryDirectory(prefix="pfa-dry-run-") as scratch:
            found, pack_bytes = attended(
                rehearsed(
                    videos or [], config=config, seed=seed, device=device, work=work, scratch=Path(scratch),
                    warm_up_steps=warm_up, measured_steps=steps,
                )
            )  # fmt: skip
        if as_json:
            print_json(measured(found, pack_bytes_per_hour=pack_bytes))
            return
        for line in describe(found, pack_bytes_per_hour=pack_bytes, now=datetime.now().astimezone()):
            out.print(line, markup=False, highlight=False)

    or_fail(run)


def configured(preset: Preset, values: Sequence[str], *, devices: int | None) -> PretrainConfig:
    """The preset with single values replaced: `learn.batch_size=64`, `net.norm=batch`.

    Raises:
        ConfigInvalid: as `specs.resolve`, or something without `=`.
    """
    overrides = overrides_of(values)
    if devices is not None:
        overrides["devices"] = devices
    base = presets.paper() if preset is Preset.PAPER else presets.small()
    return resolve(base, overrides)


def overrides_of(values: Sequence[str]) -> dict[str, Any]:
    """`["learn.steps=3"]` -> `{"learn": {"steps": 3}}`; what is not JSON is text.

    Raises:
        ConfigInvalid: something without `=`.
    """
    overrides: dict[str, Any] = {}
    for assignment in values:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigInvalid(f"--set wants name=value, such as learn.batch_size=64, not {assignment!r}.")
        *parents, key = name.split(".")
        inner = overrides
        for parent in parents:
            inner = inner.setdefault(parent, {})
        try:
            inner[key] = json.loads(text)
        except ValueError:
            inner[key] = text
    return overrides


def attended(steps: Generator[Progress, None, R]) -> R:
    """Run to the end under a progress bar. Ctrl-C closes the recipe between two steps and ends the program."""
    with _interrupts() as stop, contextlib.closing(steps), _bars() as bars:
        task = bars.add_task("begin", total=None, figures="")
        while True:
            try:
                progress = next(steps)
            except StopIteration as end:
                return end.value
            figures = " ".join(f"{name} {value:.3g}" for name, value in progress.metrics.items() if "_" not in name)
            bars.update(
                task, description=progress.phase, completed=progress.step, total=progress.total or None, figures=figures
            )
            if stop.is_set:
                steps.close()
                announce("Stopped; the same command goes on from here.")
                raise typer.Exit(130)


@contextlib.contextmanager
def _interrupts() -> Iterator[StopFlag]:
    flag = StopFlag()
    before = {number: signal.signal(number, flag.set) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bars() -> Bars:
    return Bars(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"), console=err, disable=not leads(),
    )  # fmt: skip


if __name__ == "__main__":
    app()
