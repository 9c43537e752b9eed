"""`pfa finetune`: a pose or an action model from labelled files, without a service; or a rehearsal of it."""

import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Any

import typer

from pfa.console import or_fail
from pfa.ending import Document, tell
from pfa.finetuning import LabelledData, configured, learn, read_labelled, shortened
from pfa.front import HELP
from pfa.pretrain_cli import Preset, attended, overrides_of
from pfa.remote import AsJson
from pfa_core.devices import device_of
from pfa_core.importers.formats import FORMAT_NAMES
from pfa_core.progress import Progress

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)

Data = Annotated[Path, typer.Argument(help="The folder of videos or images", exists=True, file_okay=False)]
Annotations = Annotated[
    list[Path] | None,
    typer.Option(help="A file of any known format; may be given again. Without: a folder a class", exists=True),
]
FormatName = Annotated[
    str | None, typer.Option("--format", help=f"Found out where not given: {', '.join(FORMAT_NAMES)}")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
REHEARSED_STEPS = 5


@app.command(name="pfa finetune")
def finetune(
    data: Data,
    *,
    annotations: Annotations = None,
    format_name: FormatName = None,
    init: Annotated[
        Path | None, typer.Option(help="Model folder to start from; else random weights", exists=True, file_okay=False)
    ] = None,
    preset: Annotated[Preset, typer.Option(help="What to start from")] = Preset.SMALL,
    values: Annotated[list[str] | None, typer.Option("--set", help="A value: --set learn.steps=400")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides every random choice")] = 0,
    device: Device = "auto",
    out_dir: Annotated[Path, typer.Option("--out", help="Where the model goes")] = Path("finetuned"),
    work: Annotated[Path, typer.Option(help="Checkpoints: run it again to go on")] = Path("finetune-work"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="A few steps, and how long the whole run will take")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train on labels: people with joints make a pose model, labels an action model. Ctrl-C stops with a checkpoint."""

    def run() -> None:
        labelled = read_labelled(data, annotations or [], format_name=format_name)
        config = configured(labelled.task, preset, overrides_of(values or []))
        settings: dict[str, Any] = {"init": init, "seed": seed, "device": device}
        if dry_run:
            with tempfile.TemporaryDirectory(prefix="pfa-dry-run-") as scratch:
                short = shortened(config, steps=1 + REHEARSED_STEPS)
                folder = Path(scratch)
                steps = learn(labelled, config=short, work=folder / "work", out=folder / "model", **settings)
                step_s = attended(timed(steps))
            tell(rehearsal(labelled, step_s=step_s, steps=config.learn.steps, device=device), as_json=as_json)
            return
        made = attended(learn(labelled, config=config, work=work, out=out_dir, **settings))
        tell(made, as_json=as_json)

    or_fail(run)


def timed(steps: Generator[Progress, None, Document]) -> Generator[Progress, None, float]:
    """Seconds of a training step, the first left out."""
    began_s, counted = 0.0, 0
    ended_s = 0.0
    while True:
        try:
            progress = next(steps)
        except StopIteration:
            return (ended_s - began_s) / max(1, counted)
        if progress.phase == "train":
            ended_s = time.monotonic()
            if progress.step <= 1:
                began_s = ended_s
            counted = max(0, progress.step - 1)
        yield progress


def rehearsal(data: LabelledData, *, step_s: float, steps: int, device: str) -> Document:
    """What a rehearsal has to tell."""
    items = data.people or data.clips
    splits = sorted({item.split or "none" for item in items})
    return {
        "task": data.task,
        "device": str(device_of(device)),
        "items": len(items),
        "splits": {split: sum((item.split or "none") == split for item in items) for split in splits},
        "classes": sorted({clip.label for clip in data.clips}) or list(data.joints.names if data.joints else ()),
        "step_s": round(step_s, 4),
        "steps": steps,
        "whole_s": round(step_s * steps, 1),
    }


if __name__ == "__main__":
    app()
