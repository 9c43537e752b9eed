"""`pfa datasets`: the data sets of a service."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pfa.console import announce, id_column, out
from pfa.remote import HERE, AsJson, Key, Limit, Sure, Url, agreed, print_json, talking

datasets_app = typer.Typer(no_args_is_help=True, help="Data sets of a service.")

Name = Annotated[str, typer.Argument(help="Id or name of the data set")]


@datasets_app.command("list")
def list_datasets(*, limit: Limit = 50, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """List data sets, newest first."""
    with talking(url, key) as client:
        found = [each for each, _ in zip(client.datasets(), range(limit), strict=False)]
    if as_json:
        print_json(found)
        return
    table = Table(id_column(), "name", "kind", "items", "joints", "created")
    for each in found:
        joints = str(len(each.joint_names)) if each.joint_names else ""
        table.add_row(each.id, each.name, each.kind, str(each.num_items), joints, each.created[:19])
    out.print(table)


@datasets_app.command("show")
def show_dataset(name: Name, *, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """Print a data set and what it holds; with --json its items too."""
    with talking(url, key) as client:
        found = client.dataset(name)
        items = list(client.dataset_items(name))
    if as_json:
        print_json({**asdict(found), "items": [asdict(item) for item in items]})
        return
    print(f"{found.name} ({found.id}): {found.num_items} items of {found.kind}, made {found.created[:19]}")
    if found.joint_names:
        print(f"joints: {', '.join(found.joint_names)}")
    if found.labels:
        print(f"labels: {', '.join(found.labels)}")
    splits = [item.split or "none" for item in items]
    print("splits: " + ", ".join(f"{split} {splits.count(split)}" for split in sorted(set(splits))))


@datasets_app.command("create")
def create_dataset(
    name: Annotated[str, typer.Argument(help="Of the new data set")],
    videos: Annotated[list[str] | None, typer.Argument(help="Ids of uploaded videos (`pfa videos upload`)")] = None,
    *,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", help="Instead: a video, image or .zip; again for more", exists=True),
    ] = None,
    annotations: Annotated[
        list[Path] | None, typer.Option(help="With --file: a file of any known format; may be given again", exists=True)
    ] = None,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Make a data set of uploaded videos, or of files. `pfa import` takes whole folders and checks them first."""
    if bool(videos) == bool(files):
        raise typer.BadParameter("Name either ids of uploaded videos, or files with --file.")
    with talking(url, key) as client:
        made = (
            client.create_dataset(name, videos=videos)
            if videos
            else client.create_dataset(name, files=files, annotations=annotations)
        )
    for left in made.left_out:
        announce(f"left out: {left.file}: {left.message}")
    for warning in made.warnings:
        announce(f"warning: {warning}")
    if as_json:
        print_json(made)
    else:
        print(f"{made.name} ({made.id}): {made.num_items} items of {made.kind}")


@datasets_app.command("delete")
def delete_dataset(
    name: Name, *, sure: Sure = False, as_json: AsJson = False, url: Url = HERE, key: Key = None
) -> None:
    """Delete a data set; its videos stay. Refused while an unfinished job or a collection names it."""
    agreed(f"Delete the data set {name}?", sure=sure)
    with talking(url, key) as client:
        client.delete_dataset(name)
    if as_json:
        print_json({"deleted": name})
    else:
        print(f"{name} is deleted")
