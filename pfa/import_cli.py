"""`pfa import`: a folder of images or videos, and the annotations of it, to a data set of a service."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import announce, fail, out
from pfa_client import Client, ClientError
from pfa_core.errors import PfaError
from pfa_core.importers.folders import read_folders
from pfa_core.importers.formats import FOLDERS, FORMAT_NAMES, read_annotations
from pfa_core.importers.source import Source

MEDIA_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".mp4", ".mov", ".mkv", ".webm", ".avi", ".zip")


def import_data(
    data: Annotated[Path, typer.Argument(help="A folder of images or of videos, or a .zip archive", exists=True)],
    *,
    annotations: Annotated[
        list[Path] | None, typer.Option(help="A file, or a folder of files; may be given again", exists=True)
    ] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", help=f"Found out where not given: {', '.join(FORMAT_NAMES)}")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the data set; the folder's where not given")] = None,
    url: Annotated[str, typer.Option(help="The service", envvar="PFA_URL")] = "http://127.0.0.1:8000",
    key: Annotated[str | None, typer.Option(help="An API key with the scope jobs", envvar="PFA_KEY")] = None,
) -> None:
    """Make a data set of a folder and the annotations that were published with it."""
    root = data if data.is_dir() else data.parent
    files = _below([data], suffixes=MEDIA_SUFFIXES)
    notes = _below(annotations or [], suffixes=None)
    notes_root = _root(annotations or [])
    if not files:
        fail(f"{data} holds no images, videos or .zip archives.")
    try:
        _check(files, notes, root=root, notes_root=notes_root, format_name=format_name)
        with Client(url, key) as client:
            made = client.create_dataset(
                name or data.stem, files=files, root=root, annotations=notes, annotations_root=notes_root,
                annotations_format=format_name,
            )  # fmt: skip
    except (PfaError, ClientError) as error:
        fail(str(error))
    for left in made.left_out:
        announce(f"left out: {left.file}: {left.message}")
    for warning in made.warnings:
        announce(f"warning: {warning}")
    out.print(f"{made.name} ({made.id}): {made.num_items} items of {made.kind}", markup=False, highlight=False)


def _check(
    files: Sequence[Path], notes: Sequence[Path], *, root: Path, notes_root: Path | None, format_name: str | None
) -> None:
    """Read the annotations here, as the service will: what is wrong with them is told before anything is sent."""
    if format_name == FOLDERS:
        if not any(file.suffix.lower() == ".zip" for file in files):
            read_folders([file.relative_to(root).as_posix() for file in files])
    elif notes and not any(file.suffix.lower() == ".zip" for file in notes):
        named = [(file.name if notes_root is None else file.relative_to(notes_root).as_posix(), file) for file in notes]
        found = read_annotations([Source(name, file.read_bytes()) for name, file in named], format_name=format_name)
        num_people = 0 if found.people is None else len(found.people.people)
        announce(f"annotations: {num_people} people, {len(found.labels)} labels")


def _below(paths: Sequence[Path], *, suffixes: tuple[str, ...] | None) -> list[Path]:
    """Files as they are, folders as the visible files in them."""
    found = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        found += [
            file
            for file in inside
            if not file.name.startswith(".") and (suffixes is None or file.suffix.lower() in suffixes)
        ]
    return found


def _root(paths: Sequence[Path]) -> Path | None:
    """What annotation files are named below: the folder, where one folder was given."""
    return paths[0] if len(paths) == 1 and paths[0].is_dir() else None
