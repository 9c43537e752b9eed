"""`pfa objects`: move files into the object store, and clear away what crashes left there."""

import json
from typing import Annotated

import typer

from pfa.console import fail, load_settings, or_fail, out

objects_app = typer.Typer(no_args_is_help=True, help="The object store that hosts without a shared folder use.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]

DAY_S = 24 * 3600


@objects_app.command()
def push(as_json: AsJson = False) -> None:
    """Store what this data folder has published. Run it while API and workers are stopped; it may be repeated."""
    from pfa_store.object_push import push_all
    from pfa_store.store import Store

    def run() -> None:
        store = Store.open(load_settings())
        if store.objects is None:
            fail("PFA_OBJECTS_URL is not set.")
        try:
            pushed = []
            for path in push_all(store):
                pushed.append(store.files.relative(path))
                if not as_json:
                    out.print(pushed[-1], highlight=False)
            if as_json:
                out.print_json(json.dumps({"pushed": pushed}))
        finally:
            store.close()

    or_fail(run)


@objects_app.command()
def sweep(
    delete: Annotated[bool, typer.Option("--delete", help="Remove it, too")] = False, as_json: AsJson = False
) -> None:
    """List content that no manifest names and that is older than a day."""
    from pfa_store.object_shelf import ObjectShelf
    from pfa_store.store import Store

    def run() -> None:
        store = Store.open(load_settings())
        shelf = store.files.shelf
        if store.objects is None or not isinstance(shelf, ObjectShelf):
            fail("PFA_OBJECTS_URL is not set.")
        try:
            keys = list(shelf.garbage(older_than_s=DAY_S))
            if delete:
                store.objects.delete(keys)
            if as_json:
                out.print_json(json.dumps({"garbage": keys, "deleted": delete}))
            for key in () if as_json else keys:
                out.print(key, highlight=False)
        finally:
            store.close()

    or_fail(run)
