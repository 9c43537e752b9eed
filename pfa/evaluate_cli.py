"""`pfa evaluate`: scores of a model folder on labelled files, without a service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import or_fail
from pfa.ending import tell
from pfa.finetune_cli import Annotations, Data, Device, FormatName
from pfa.finetuning import read_labelled, score
from pfa.front import HELP
from pfa.pretrain_cli import attended
from pfa.remote import AsJson
from pfa_core.devices import device_of

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)


class Split(StrEnum):
    TEST = "test"
    VAL = "val"
    TRAIN = "train"
    ALL = "all"


@app.command(name="pfa evaluate")
def evaluate(
    model: Annotated[Path, typer.Argument(help="The model folder", exists=True, file_okay=False)],
    data: Data,
    *,
    annotations: Annotations = None,
    format_name: FormatName = None,
    split: Annotated[Split, typer.Option(help="Which items; all where none has a split")] = Split.TEST,
    seed: Annotated[int, typer.Option(min=0, help="Decides the draws of the intervals")] = 0,
    device: Device = "auto",
    out_dir: Annotated[Path, typer.Option("--out", help="Tables and pictures")] = Path("evaluation"),
    as_json: AsJson = False,
) -> None:
    """Score a pose or an action model: evaluation.json, evaluation.csv, and pdj.png or confusion.png."""

    def run() -> None:
        labelled = read_labelled(data, annotations or [], format_name=format_name)
        where = str(device_of(device))
        found = attended(score(model, labelled, split=split, seed=seed, device=where, out=out_dir))
        tell(found, as_json=as_json)

    or_fail(run)


if __name__ == "__main__":
    app()
