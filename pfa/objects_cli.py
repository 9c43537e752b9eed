"""`pfa objects`: move files into the object store, and clear away what crashes left there."""

from typing import Annotated

import typer

from pfa.console import fail, load_settings, or_fail, out

objects_app = typer.Typer(no_args_is_help=True, help="The object store that hosts without a shared folder use.")

DAY_S = 24 * 3600


@objects_app.command()
def push() -> None:
    """Store what this data folder has published. Run it while API and workers are stopped; it may be repeated."""
    from pfa_store.object_push import push_all
    from pfa_store.store import Store

    def run() -> None:
        store = Store.open(load_settings())
        if store.objects is None:
            fail("PFA_OBJECTS_URL is not set.")
        try:
            for path in push_all(store):
                out.print(store.files.relative(path), highlight=False)
        finally:
            store.close()

    or_fail(run)


@objects_app.command()
def sweep(delete: Annotated[bool, typer.Option("--delete", help="Remove it, too")] = False) -> None:
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
            for key in keys:
                out.print(key, highlight=False)
            if delete:
                store.objects.delete(keys)
        finally:
            store.close()

    or_fail(run)
