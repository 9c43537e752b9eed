"""Calls about models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pfa_client import reading
from pfa_client.downloads import checked, new_file, new_folder, version_of
from pfa_client.files import PathLike, part
from pfa_client.methods import call
from pfa_client.records import Alias, Model, ModelVersion, record
from pfa_client.transport import Call, Steps, at
from pfa_client.wire import Wire


class ModelCalls(Wire):
    """Models."""

    @call
    def models(self) -> Steps[list[Model]]:
        """All models with their versions."""
        return [reading.model(plain) for plain in (yield from self._all("/models"))]

    @call
    def model(self, name: str) -> Steps[Model]:
        """One model with its versions."""
        return reading.model((yield from self._get(at("models", name))))

    @call
    def model_version(self, name: str, version: int) -> Steps[ModelVersion]:
        """One version, with the names of its files."""
        return reading.model_version((yield from self._get(_version(name, version))))

    @call
    def model_card(self, name: str, version: int) -> Steps[str]:
        """The model card in Markdown, with what evaluations have found."""
        return (yield from self._send(_read(_version(name, version, "card.md")))).text

    @call
    def filters(self, name: str, version: int) -> Steps[bytes]:
        """The filters of the first layer, as PNG."""
        return (yield from self._send(_read(_version(name, version, "filters.png")))).content

    @call
    def pairs(self, name: str, version: int) -> Steps[bytes]:
        """Closest pairs in fc6 space, as PNG; needs a collection that was filled with this version."""
        return (yield from self._send(_read(_version(name, version, "pairs.png")))).content

    @call
    def export_model(self, name: str, version: int, *, form: Literal["onnx", "safetensors", "folder"]) -> Steps[bytes]:
        """A version as an ONNX file, a safetensors file, or a .zip of its folder."""
        path = _version(name, version, "export")
        return (yield from self._send(Call(method="POST", path=path, json={"format": form}, repeatable=True))).content

    @call
    def save_exported_model(
        self, name: str, version: int, path: PathLike, *, form: Literal["onnx", "safetensors", "folder"]
    ) -> Steps[None]:
        """Write what `export_model` gives to a new file, without holding it in memory.

        The file appears once all of it is there.

        Raises:
            FileExistsError: there is something at `path`.
        """
        with new_file(Path(path)) as scratch:
            where = _version(name, version, "export")
            yield from self._send(Call(method="POST", path=where, json={"format": form}, repeatable=True, to=scratch))

    @call
    def import_model(
        self, file: PathLike, name: str, *, config: PathLike | None = None, presented: Mapping[str, str] | None = None
    ) -> Steps[ModelVersion]:
        """Make a .zip of an exported folder, or a safetensors file, the next version of `name`.

        Args:
            file: the archive or the weights.
            name: of the model.
            config: `config.json` of weights that have none in their metadata.
            presented: of a VGG-M of another project, how it takes images: `channels`, `mean`, `std`, see `/docs`.
        """
        call = Call(
            method="POST",
            path="/models/import",
            fields={"name": name, **(presented or {})},
            parts=lambda: [part("file", file), *([] if config is None else [part("config", config)])],
        )
        return reading.model_version((yield from self._json(call)))

    @call
    def model_file(self, name: str, version: int, file: str) -> Steps[bytes]:
        """A file of a version, such as `config.json`."""
        return (yield from self._send(_read(_version(name, version, "files", file)))).content

    @call
    def resolve_model(self, ref: str) -> Steps[tuple[str, int]]:
        """Name and version that `name` (its newest version), `name@version` or `name@alias` means just now."""
        return (yield from self._resolved(ref))

    @call
    def download_model(self, ref: str, folder: PathLike) -> Steps[ModelVersion]:
        """Fetch all files of `name` (its newest version), `name@version` or `name@alias` into a new folder.

        The folder appears once all of it is there and has the checksums of its manifest.

        Raises:
            FileExistsError: there is something at `folder`.
            DownloadDamaged: a file is not what the manifest says.
        """
        name, version = yield from self._resolved(ref)
        found = reading.model_version((yield from self._get(_version(name, version))))
        with new_folder(Path(folder)) as scratch:
            for file in found.files:
                yield from self._send(_read(_version(name, version, "files", file), to=scratch / file))
            checked(scratch)
        return found

    @call
    def delete_model(self, name: str, version: int) -> Steps[None]:
        """Delete a version; refused (409) while an alias, a collection or an unfinished job names it."""
        yield from self._delete(_version(name, version))

    @call
    def set_alias(self, name: str, alias: str, version: int) -> Steps[Alias]:
        """Let `name@alias` mean this version; prediction switches over once it is loaded."""
        path = at("models", name, "aliases", alias)
        call = Call(method="PUT", path=path, json={"version": version}, repeatable=True)
        return record(Alias, (yield from self._json(call)))

    @call
    def delete_alias(self, name: str, alias: str) -> Steps[None]:
        """Forget an alias; its version stays."""
        yield from self._delete(at("models", name, "aliases", alias))

    def _resolved(self, ref: str) -> Steps[tuple[str, int]]:
        name, _, _ = ref.partition("@")
        return name, version_of(ref, reading.model((yield from self._get(at("models", name)))))


def _version(name: str, version: int, *more: str) -> str:
    return at("models", name, "versions", version, *more)


def _read(path: str, *, to: Path | None = None) -> Call:
    return Call(method="GET", path=path, repeatable=True, to=to)
