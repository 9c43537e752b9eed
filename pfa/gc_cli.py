"""`pfa gc`: clear away now what a worker clears away by itself."""

import contextlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from pfa.console import load_settings, or_fail, out
from pfa_store.garbage.piece import Piece
from pfa_store.store import Store


def collect(
    dry_run: Annotated[bool, typer.Option(help="Only say what would go, and how many bytes")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout; messages go to stderr")] = False,
) -> None:
    """Remove what its time is over for (PFA_KEEP_..., PFA_PACK_BYTES, PFA_ORPHAN_DAYS), beside whatever runs."""
    or_fail(lambda: _run(dry_run=dry_run, as_json=as_json))


def _run(*, dry_run: bool, as_json: bool) -> None:
    with contextlib.closing(Store.open(load_settings())) as store:
        if dry_run:
            pieces = [piece for piece in store.sweeper.sweep(dry_run=True) if piece is not None]
        else:
            pieces = list(store.garbage_collection().all())
    if as_json:
        total = sum(piece.num_bytes for piece in pieces)
        print(json.dumps({"removed": not dry_run, "bytes": total, "pieces": [asdict(one) for one in pieces]}, indent=1))
    else:
        _print(pieces, dry_run=dry_run)


def _print(pieces: list[Piece], *, dry_run: bool) -> None:
    for piece in pieces:
        out.print(f"{piece.kind}: {piece.name} ({piece.num_bytes / 2**20:.1f} MiB): {piece.why}", markup=False)
    counts, sizes = Counter[str](), Counter[str]()
    for piece in pieces:
        counts[piece.kind] += 1
        sizes[piece.kind] += piece.num_bytes
    table = Table("what", "pieces", "MiB")
    for kind in counts:
        table.add_row(kind, str(counts[kind]), f"{sizes[kind] / 2**20:.1f}")
    if pieces:
        out.print(table)
    did = "would be removed" if dry_run else "were removed"
    out.print(f"{len(pieces)} pieces, {sum(sizes.values()) / 2**20:.1f} MiB {did}")
