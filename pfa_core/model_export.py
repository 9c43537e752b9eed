"""Models in forms that others take: an ONNX file, one safetensors file, or the folder itself, also as a .zip."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pfa_core.errors import ConfigInvalid
from pfa_core.facts import facts_of
from pfa_core.manifest import Manifest
from pfa_core.models import FILES, load_model, read_manifest
from pfa_core.tensor_files import save_tensors

ExportFormat = Literal["onnx", "safetensors", "folder"]
CONFIG_KEY = "pfa_config"
"""Of a safetensors file's metadata: `config.json` of the model, by which it is imported again."""
FACTS_KEY = "pfa_facts"
"""`facts.facts_of`, as JSON."""
FACTS_FILE = "preprocessing.json"
"""The same, in an exported folder."""


def export_model(folder: Path, out: Path, *, form: ExportFormat) -> None:
    """Write a model in another form; `out` appears complete or not at all.

    Args:
        folder: a model folder.
        out: the file; for `folder` a new folder, or a .zip archive where it is named so.

    Raises:
        ModelDamaged: the folder does not read.
        ModelUnsuitable: the model does not fit into the form.
        ConfigInvalid: `out` is there already.
        OSError: it cannot be written.
    """
    if out.exists():
        raise ConfigInvalid(f"{out} exists already; choose another name.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with _appearing(out) as temporary:
        if form == "folder":
            _export_folder(folder, temporary, zipped=out.suffix.lower() == ".zip")
        else:
            _export_file(folder, temporary, form=form)


def _export_file(folder: Path, out: Path, *, form: ExportFormat) -> None:
    module, manifest = load_model(folder)
    if form == "onnx":
        from pfa_core.onnx_file import save_onnx

        save_onnx(module, manifest.config, out)
        return
    metadata = {
        "format": "pt",
        CONFIG_KEY: json.dumps(manifest.config.to_json()),
        FACTS_KEY: json.dumps(facts_of(manifest.config, normalised_inside=False)),
    }
    save_tensors(module.state_dict(), out, metadata=metadata)


def _export_folder(folder: Path, out: Path, *, zipped: bool) -> None:
    facts = _facts_text(read_manifest(folder))
    if zipped:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # weights do not compress
            for name in FILES:
                archive.write(folder / name, name)
            archive.writestr(FACTS_FILE, facts)
        return
    out.mkdir()
    for name in FILES:
        shutil.copyfile(folder / name, out / name)
    (out / FACTS_FILE).write_text(facts)


def _facts_text(manifest: Manifest) -> str:
    return json.dumps(facts_of(manifest.config, normalised_inside=False), indent=2) + "\n"


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A place beside `out` for what becomes `out`."""
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        temporary = Path(scratch) / "export"
        yield temporary
        temporary.rename(out)
