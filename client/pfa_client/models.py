"""Calls about models."""

from collections.abc import Mapping
from typing import Literal

from pfa_client import reading
from pfa_client.files import PathLike, part
from pfa_client.records import Alias, Model, ModelVersion, record
from pfa_client.transport import Call
from pfa_client.wire import Wire


class ModelCalls(Wire):
    """Models."""

    def models(self) -> list[Model]:
        """All models with their versions."""
        return [reading.model(plain) for plain in self._pages("/models")]

    def model(self, name: str) -> Model:
        """One model with its versions."""
        return reading.model(self._get(f"/models/{name}"))

    def model_version(self, name: str, version: int) -> ModelVersion:
        """One version, with the names of its files."""
        return reading.model_version(self._get(f"/models/{name}/versions/{version}"))

    def model_card(self, name: str, version: int) -> str:
        """The model card in Markdown, with what evaluations have found."""
        return self._send(Call(method="GET", path=f"/models/{name}/versions/{version}/card.md", repeatable=True)).text

    def filters(self, name: str, version: int) -> bytes:
        """The filters of the first layer, as PNG."""
        call = Call(method="GET", path=f"/models/{name}/versions/{version}/filters.png", repeatable=True)
        return self._send(call).content

    def pairs(self, name: str, version: int) -> bytes:
        """Closest pairs in fc6 space, as PNG; needs a collection that was filled with this version."""
        call = Call(method="GET", path=f"/models/{name}/versions/{version}/pairs.png", repeatable=True)
        return self._send(call).content

    def export_model(self, name: str, version: int, *, form: Literal["onnx", "safetensors", "folder"]) -> bytes:
        """A version as an ONNX file, a safetensors file, or a .zip of its folder."""
        path = f"/models/{name}/versions/{version}/export"
        return self._send(Call(method="POST", path=path, json={"format": form}, repeatable=True)).content

    def import_model(
        self, file: PathLike, name: str, *, config: PathLike | None = None, presented: Mapping[str, str] | None = None
    ) -> ModelVersion:
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
        return reading.model_version(self._send(call).json())

    def set_alias(self, name: str, alias: str, version: int) -> Alias:
        """Let `name@alias` mean this version; prediction switches over once it is loaded."""
        call = Call(method="PUT", path=f"/models/{name}/aliases/{alias}", json={"version": version}, repeatable=True)
        return record(Alias, self._send(call).json())
