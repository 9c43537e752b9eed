"""`pfa packs`: look at the flow packs in the data folder, check them, and clear away what nothing needs."""

import contextlib
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table

from pfa.console import fail, load_settings, out
from pfa_core.errors import PackDamaged, PfaError
from pfa_store.errors import InUse
from pfa_store.packs import DAY_S, StoredPack
from pfa_store.store import Store

packs_app = typer.Typer(no_args_is_help=True, help="Flow packs: frames and motion of videos, kept for later jobs.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


@packs_app.command("list")
def list_packs(as_json: AsJson = False) -> None:
    """List all packs, their mapped forms, and what is left of unfinished ones."""
    with _store() as store:
        now_s = store.clock()
        packs = list(store.packs.list())
        if as_json:
            _print_json([_plain(pack) for pack in packs])
            return
        table = Table("video", "key", "frames", "MiB", "age", "last used")
        for pack in packs:
            table.add_row(
                _video(pack),
                pack.key[:16],
                _frames(pack),
                f"{pack.num_bytes / 2**20:.1f}",
                _ago(now_s - pack.built_s),
                _ago(now_s - pack.used_s),
            )
        out.print(table)


@packs_app.command()
def size(as_json: AsJson = False) -> None:
    """Tell how much disk the packs take."""
    with _store() as store:
        packs = list(store.packs.list())
    whole = [pack for pack in packs if pack.finished and not pack.mapped]
    mapped = [pack for pack in packs if pack.mapped]
    unfinished = [pack for pack in packs if not pack.finished]
    totals = {
        "packs": len(whole),
        "bytes": sum(pack.num_bytes for pack in whole),
        "mapped": len(mapped),
        "mapped_bytes": sum(pack.num_bytes for pack in mapped),
        "unfinished": len(unfinished),
        "unfinished_bytes": sum(pack.num_bytes for pack in unfinished),
    }
    if as_json:
        _print_json(totals)
        return
    out.print(f"{totals['packs']} packs, {totals['bytes'] / 2**20:.1f} MiB")
    for name in ("mapped", "unfinished"):
        if totals[name]:
            out.print(f"{totals[name]} {name}, {totals[f'{name}_bytes'] / 2**20:.1f} MiB")


@packs_app.command()
def verify(
    delete: Annotated[bool, typer.Option(help="Delete damaged packs; the next job builds them again")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the checksums of all packs and mapped forms. Exit status 1 if any is damaged."""
    damaged: list[dict[str, Any]] = []
    num_checked = 0
    with _store() as store:
        for pack in store.packs.list():
            if pack.finished:
                num_checked += 1
                try:
                    store.packs.check(pack)
                except PackDamaged as error:
                    what = {"problem": str(error), **(_removal(store, pack) if delete else {"deleted": False})}
                    damaged.append({**_plain(pack), **what})
    if as_json:
        _print_json({"checked": num_checked, "damaged": damaged})
    else:
        for each in damaged:
            out.print(
                f"damaged: {each['key']} of {each['video'] or 'a deleted video'}: {each['problem']}", markup=False
            )
            if delete:
                out.print("  deleted" if each["deleted"] else f"  kept: {each['kept']}", markup=False)
        out.print(f"{num_checked} packs checked, {len(damaged)} damaged")
    if damaged:
        raise typer.Exit(1)


@packs_app.command()
def prune(
    unused_days: Annotated[
        float | None, typer.Option(min=0, help="Also packs that no job asked for in so many days")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would go")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete packs whose video is gone, mapped forms, and what is left of unfinished ones.

    Never what an unfinished job uses. Training makes a mapped form again when it needs it.
    """
    pruned: list[dict[str, Any]] = []
    with _store() as store:
        for pack, reason in list(store.packs.unneeded(unused_days=unused_days)):
            answer = {"deleted": False} if dry_run else _removal(store, pack)
            pruned.append({**_plain(pack), "reason": reason, **answer})
    if as_json:
        _print_json(pruned)
        return
    for each in pruned:
        did = "would delete" if dry_run else "deleted" if each["deleted"] else f"kept ({each['kept']})"
        out.print(f"{did}: {each['key']} of {each['video'] or each['video_sha256']}: {each['reason']}", markup=False)
    freed = sum(each["bytes"] for each in pruned if each["deleted"] or dry_run)
    out.print(f"{len(pruned)} packs, {freed / 2**20:.1f} MiB {'would be freed' if dry_run else 'freed'}")


@contextlib.contextmanager
def _store() -> Iterator[Store]:
    """The store of this installation; errors of ours end the command with a message."""
    try:
        store = Store.open(load_settings())
        try:
            yield store
        finally:
            store.close()
    except PfaError as error:
        fail(str(error))


def _removal(store: Store, pack: StoredPack) -> dict[str, Any]:
    try:
        store.packs.remove(pack)
    except InUse as held:
        return {"deleted": False, "kept": str(held)}
    return {"deleted": True}


def _plain(pack: StoredPack) -> dict[str, Any]:
    return {
        "key": pack.key,
        "video": pack.file,
        "video_sha256": pack.video_sha256,
        "finished": pack.finished,
        "mapped": pack.mapped,
        "frames": pack.num_frames,
        "bytes": pack.num_bytes,
        "built_s": pack.built_s,
        "used_s": pack.used_s,
    }


def _frames(pack: StoredPack) -> str:
    if pack.mapped:
        return "mapped"
    return str(pack.num_frames or "damaged") if pack.finished else "unfinished"


def _video(pack: StoredPack) -> str:
    return pack.file or f"(deleted) {pack.video_sha256[:8]}"


def _ago(seconds: float) -> str:
    if seconds >= DAY_S:
        return f"{seconds / DAY_S:.0f} d"
    return f"{seconds / 3600:.0f} h" if seconds >= 3600 else f"{max(0.0, seconds) / 60:.0f} min"


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=1))
