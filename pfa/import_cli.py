"""`pfa import`: a folder of images or videos, and the annotations of it, to a data set of a service."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pfa.console import announce, fail, out
from pfa.files_below import IMAGE_SUFFIXES, VIDEO_SUFFIXES, below, root_of
from pfa.remote import HERE, AsJson, Key, Url, print_json, talking
from pfa_core.errors import PfaError
from pfa_core.importers.folders import read_folders
from pfa_core.importers.formats import FOLDERS, FORMAT_NAMES, read_annotations
from pfa_core.importers.source import Source

MEDIA_SUFFIXES = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, ".zip")


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
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Make a data set of a folder and the annotations that were published with it."""
    root = data if data.is_dir() else data.parent
    files = [file for file in below([data], suffixes=MEDIA_SUFFIXES) if file.suffix.lower() in MEDIA_SUFFIXES]
    notes = below(annotations or [], suffixes=None)
    notes_root = root_of(annotations or [])
    if not files:
        fail(f"{data} holds no images, videos or .zip archives.")
    try:
        _check(files, notes, root=root, notes_root=notes_root, format_name=format_name)
    except PfaError as error:
        fail(str(error))
    with talking(url, key) as client:
        made = client.create_dataset(
            name or data.stem, files=files, root=root, annotations=notes, annotations_root=notes_root,
            annotations_format=format_name,
        )  # fmt: skip
    for left in made.left_out:
        announce(f"left out: {left.file}: {left.message}")
    for warning in made.warnings:
        announce(f"warning: {warning}")
    if as_json:
        print_json(made)
        return
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
