"""A model folder on its way here: which version is meant, that it is whole, and that it appears at once."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pfa_client.errors import DownloadDamaged, ProblemError
from pfa_client.records import Model

MANIFEST = "manifest.json"


def version_of(ref: str, model: Model) -> int:
    """The version that `name`, `name@version` or `name@alias` means. Raises: ProblemError: none of this name."""
    _, _, wanted = ref.partition("@")
    if not wanted:
        return model.versions[0].version
    if wanted in model.aliases:
        return model.aliases[wanted]
    if wanted.isdecimal() and int(wanted) in {each.version for each in model.versions}:
        return int(wanted)
    known = ", ".join([*(str(each.version) for each in model.versions), *model.aliases])
    raise ProblemError(404, "model_not_found", f"There is no model {ref!r}; {model.name!r} has {known}.")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file to fill beside `path`, which becomes that file if all goes well.

    Raises:
        FileExistsError: there is something at `path`.
    """
    if path.exists():
        raise FileExistsError(f"{path} is there already; name a new file.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
        yield Path(scratch) / path.name
        (Path(scratch) / path.name).rename(path)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that takes its place at the end, and goes where the block raises."""
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; name a folder that is not.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def checked(folder: Path) -> None:
    """Compare each file with the manifest. Raises: DownloadDamaged."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise DownloadDamaged(f"{MANIFEST} is missing or does not read: {error}") from error
    for name, sha256 in files.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != sha256:
            raise DownloadDamaged(f"{name} is not what {MANIFEST} says; download the model again.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
