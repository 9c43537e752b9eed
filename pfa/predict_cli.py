"""`pfa predict`: what a model says about images and videos, without a service."""

import json
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import announce, or_fail, out
from pfa.front import HELP
from pfa.predicting import FORMATS, Wanted, predicted
from pfa.pretrain_cli import attended, overrides_of

app = typer.Typer(pretty_exceptions_enable=False, context_settings=HELP)


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    COCO = "coco"
    PNG = "png"
    MP4 = "mp4"


@app.command(name="pfa predict")
def predict(
    model: Annotated[Path, typer.Argument(help="A model folder, of a pose or of an action model", exists=True)],
    files: Annotated[list[Path], typer.Argument(help="Images, videos, or folders of them", exists=True)],
    *,
    out_dir: Annotated[Path, typer.Option("--out", help="Where the answers go")] = Path("predictions"),
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help=f"{FORMATS}; may be given again. Without it: json and csv"),
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="As in the config of /jobs/predict: --set detect=hog")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON")] = False,
) -> None:
    """Find poses, or actions, in files, here and now, and leave what was found as files."""

    def run() -> None:
        wanted = Wanted(
            model=model,
            files=files,
            out=out_dir,
            formats=[one.value for one in formats or [Format.JSON, Format.CSV]],
            overrides=overrides_of(values or []),
            device=device,
        )
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".work-", dir=out_dir) as scratch:
            found = attended(predicted(wanted, scratch=Path(scratch)))
        for left in found.left_out:
            announce(f"left out: {left.name}: {left.message}")
        if as_json:
            print(json.dumps(found.to_json(), indent=1))
            return
        for line in found.lines:
            out.print(line, markup=False, highlight=False)
        for name in found.files:
            out.print(str(out_dir / name), markup=False, highlight=False)

    or_fail(run)


if __name__ == "__main__":
    app()
