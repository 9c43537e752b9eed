"""`pfa collections`: galleries of poses that a service can search."""

import typer
from rich.table import Table

from pfa.console import out
from pfa.remote import HERE, AsJson, Key, Url, print_json, talking

collections_app = typer.Typer(no_args_is_help=True, help="Collections of a service.")


@collections_app.callback()
def collections() -> None:
    """Collections of a service: galleries of poses that can be searched."""


@collections_app.command("list")
def list_collections(*, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """List collections."""
    with talking(url, key) as client:
        found = list(client.collections())
    if as_json:
        print_json(found)
        return
    table = Table("name", "status", "model", "items", "data set", "created")
    for each in found:
        table.add_row(each.name, each.status, each.model, str(each.num_items), each.dataset or "", each.created[:19])
    out.print(table)
