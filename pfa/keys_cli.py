"""`pfa keys`: the API keys of this installation."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from pfa.console import fail, id_column, load_settings, out
from pfa_core.errors import PfaError
from pfa_store.keys import Key, Keys

keys_app = typer.Typer(no_args_is_help=True, help="API keys of this installation.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


@contextmanager
def _keys() -> Iterator[Keys]:
    """The keys of the store that the settings name; an error of ours is told in a line."""
    from pfa_store.store import Store

    try:
        store = Store.open(load_settings())
        try:
            yield store.keys
        finally:
            store.close()
    except PfaError as error:
        fail(str(error))


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What or who the key is for")],
    scopes: Annotated[str, typer.Option(help="Comma-separated: read, predict, jobs, admin")] = "read,predict",
    as_json: AsJson = False,
) -> None:
    """Create a key and print its secret, once: it is not kept."""
    with _keys() as keys:
        created, secret = keys.create(name, [scope.strip() for scope in scopes.split(",") if scope.strip()])
    if as_json:
        print(json.dumps({**_plain(created), "secret": secret}))
        return
    out.print(f"{created.id} ({', '.join(created.scopes)}); its secret, shown this once:")
    print(secret)


@keys_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List keys, without their secrets."""
    with _keys() as keys:
        found = keys.list()
    if as_json:
        print(json.dumps([_plain(key) for key in found]))
        return
    table = Table(id_column(), "name", "scopes", "created", "revoked")
    for key in found:
        plain = _plain(key)
        table.add_row(key.id, Text(key.name), ", ".join(key.scopes), str(plain["created"]), str(plain["revoked"] or ""))
    out.print(table)


@keys_app.command("revoke")
def revoke_key(key_id: str) -> None:
    """Make a key useless from now on."""
    with _keys() as keys:
        revoked = keys.revoke(key_id)
    out.print(f"{revoked.id} is revoked.")


def _plain(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created": _time(key.created_s),
        "revoked": _time(key.revoked_s),
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
