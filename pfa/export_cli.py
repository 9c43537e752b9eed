"""`pfa export`: a model folder in a form that other programs take."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pfa.console import or_fail, out
from pfa.remote import AsJson, print_json


def export_folder(
    folder: Annotated[Path, typer.Argument(help="A model folder", exists=True, file_okay=False)],
    *,
    target: Annotated[Path, typer.Option("--out", help="The file to write; of `folder` a new folder, or a .zip")],
    form: Annotated[Literal["onnx", "safetensors", "folder"], typer.Option("--format")] = "onnx",
    as_json: AsJson = False,
) -> None:
    """Write a model as ONNX, as safetensors, or as a folder, with all that one must know to run it inside."""
    from pfa_core.model_export import export_model

    or_fail(lambda: export_model(folder, target, form=form))
    if as_json:
        print_json({"model": str(folder), "file": str(target), "format": form})
    else:
        out.print(str(target), markup=False, highlight=False)
