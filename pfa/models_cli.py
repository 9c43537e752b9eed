"""`pfa models`: look at the models of a service, move their aliases, fetch and delete versions."""

from pathlib import Path
from typing import Annotated

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
