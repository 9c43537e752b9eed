"""Calls about models."""

from pfa_client import reading
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

    def set_alias(self, name: str, alias: str, version: int) -> Alias:
        """Let `name@alias` mean this version; prediction switches over once it is loaded."""
        call = Call(method="PUT", path=f"/models/{name}/aliases/{alias}", json={"version": version}, repeatable=True)
        return record(Alias, self._send(call).json())
