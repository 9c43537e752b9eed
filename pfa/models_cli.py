"""`pfa models`: look at the models of a service, move their aliases, fetch and delete versions."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.table import Table

from pfa.console import announce, fail, out
from pfa.remote import HERE, AsJson, Key, Sure, Url, agreed, print_json, talking
from pfa_client import ModelVersion

models_app = typer.Typer(no_args_is_help=True, help="Models of a service.")

Ref = Annotated[str, typer.Argument(help="name, name@version or name@alias")]
Exact = Annotated[str, typer.Argument(help="name@version")]


@models_app.command("list")
def list_models(*, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """List models by name, with their newest version."""
    with talking(url, key) as client:
        found = client.models()
    if as_json:
        print_json(found)
        return
    table = Table("name", "newest", "kind", "versions", "aliases", "created")
    for model in found:
        newest = model.versions[0]
        aliases = ", ".join(f"{alias} = {version}" for alias, version in model.aliases.items())
        versions = str(len(model.versions))
        table.add_row(model.name, str(newest.version), newest.kind, versions, aliases, newest.created[:19])
    out.print(table)


@models_app.command("show")
def show_model(ref: Ref, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Print the card of a version: what it is, where it comes from, what evaluations found."""
    with talking(url, key) as client:
        name, version = client.resolve_model(ref)
        found = client.model_version(name, version)
        card = "" if as_json else client.model_card(name, version)
    if as_json:
        print_json(found)
    else:
        print(card)


@models_app.command("promote")
def promote_model(
    ref: Ref,
    *,
    alias: Annotated[str, typer.Option(help="Which alias shall mean this version")] = "production",
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Let an alias mean this version from now on; predictions switch over once it is loaded."""
    with talking(url, key) as client:
        name, version = client.resolve_model(ref)
        made = client.set_alias(name, alias, version)
    if as_json:
        print_json(made)
    else:
        print(f"{made.name}@{made.alias} is version {made.version}")


@models_app.command("delete")
def delete_model(ref: Exact, *, sure: Sure = False, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Delete one version; refused while an alias, a collection or an unfinished job names it."""
    name, _, version = ref.partition("@")
    if not version.isdecimal():
        fail(f"Say which version to delete, as {name}@3; `pfa models show` and `list` tell the versions.")
    agreed(f"Delete {ref} for good?", sure=sure)
    with talking(url, key) as client:
        client.delete_model(name, int(version))
    if as_json:
        print_json({"deleted": ref})
    else:
        print(f"{ref} is deleted")


@models_app.command("download")
def download_model(
    ref: Ref,
    *,
    out_dir: Annotated[Path | None, typer.Option("--out", help="A new folder; name-version where not given")] = None,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Fetch a version as a model folder, which `pfa finetune --init`, `pfa evaluate` and the library take."""
    with talking(url, key) as client:
        name, version = client.resolve_model(ref)
        folder = out_dir or Path(f"{name}-{version}")
        announce(f"Fetching {name}@{version} ...")
        found: ModelVersion = client.download_model(f"{name}@{version}", folder)
    if as_json:
        print_json({"model": found.ref, "folder": str(folder), "files": list(found.files)})
    else:
        print(f"{found.ref} is in {folder}")


SUFFIXES = {"onnx": ".onnx", "safetensors": ".safetensors", "folder": ".zip"}


@models_app.command("export")
def export_version(
    ref: Ref,
    *,
    form: Annotated[Literal["onnx", "safetensors", "folder"], typer.Option("--format")] = "onnx",
    target: Annotated[Path | None, typer.Option("--out", help="A new file; name-version.onnx where not given")] = None,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Fetch a version as one file: ONNX, safetensors, or a .zip of its folder, with what one must know to run it."""
    with talking(url, key) as client:
        name, version = client.resolve_model(ref)
        path = target or Path(f"{name}-{version}{SUFFIXES[form]}")
        announce(f"Exporting {name}@{version} ...")
        client.save_exported_model(name, version, path, form=form)
    if as_json:
        print_json({"model": f"{name}@{version}", "file": str(path), "format": form})
    else:
        out.print(str(path), markup=False, highlight=False)


@models_app.command("import")
def import_version(
    file: Annotated[Path, typer.Argument(help="A model folder, a .zip of one, or a safetensors file", exists=True)],
    name: Annotated[str, typer.Argument(help="Of the model, which gets a new version")],
    *,
    config: Annotated[
        Path | None,
        typer.Option(help="config.json of weights that have none in their metadata", exists=True, dir_okay=False),
    ] = None,
    channels: Annotated[Literal["RGB", "BGR"] | None, typer.Option(help="VGG-M of another project: its order")] = None,
    mean: Annotated[str | None, typer.Option(help="VGG-M of another project: three numbers with commas")] = None,
    std: Annotated[str | None, typer.Option(help="VGG-M of another project: three numbers with commas")] = None,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Make a model folder, as `pfa finetune` and `models download` leave it, or weights the next version of a name."""
    told = {"channels": channels, "mean": mean, "std": std}
    presented = {option: value for option, value in told.items() if value is not None}
    with _one_file(file) as sent, talking(url, key) as client:
        made = client.import_model(sent, name, config=config, presented=presented)
    if as_json:
        print_json(made)
    else:
        print(f"{made.ref} is a {made.kind} model")


@contextmanager
def _one_file(path: Path) -> Iterator[Path]:
    """The file to send; of a folder, a .zip archive that is gone afterwards."""
    if path.is_file():
        yield path
        return
    from pfa_core.model_export import export_model

    with tempfile.TemporaryDirectory(prefix="pfa-import-") as scratch:
        archive = Path(scratch) / "model.zip"
        export_model(path, archive, form="folder")
        yield archive
