"""Models, as they are sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.page import time_of
from pfa_core.errors import ConfigInvalid
from pfa_core.model_export import ExportFormat
from pfa_core.vggm_weights import VggmInput
from pfa_store.models import ModelVersion
from pfa_store.specs import Name


class ModelVersionRead(BaseModel):
    """A published version of a model; its files never change."""

    ref: str = Field(description="`name@version`: always this version")
    name: str
    version: int
    kind: str = Field(description="`triplet` or `appearance` (pretrained), `pose` or `action`")
    metrics: dict[str, Any]
    lineage: dict[str, Any] = Field(
        description="Parent model, objective of pretraining, data set, sha256 of each item, job, seed, code version"
    )
    aliases: list[str]
    job_id: str | None
    created: datetime
    files: list[str] | None = Field(None, description="Where one version was asked for: its files")

    @classmethod
    def of(cls, model: ModelVersion, files: Sequence[str] | None = None) -> Self:
        return cls(
            ref=model.ref,
            name=model.name,
            version=model.version,
            kind=model.kind,
            metrics=dict(model.metrics),
            lineage=dict(model.lineage),
            aliases=list(model.aliases),
            job_id=model.job_id,
            created=time_of(model.created_s),
            files=None if files is None else list(files),
        )


class ModelRead(BaseModel):
    """A name and its versions, newest first."""

    name: str
    versions: list[ModelVersionRead]
    aliases: dict[str, int]

    @classmethod
    def of(cls, versions: Sequence[ModelVersion]) -> Self:
        return cls(
            name=versions[0].name,
            versions=[ModelVersionRead.of(version) for version in versions],
            aliases={alias: version.version for version in versions for alias in version.aliases},
        )


class AliasPut(BaseModel):
    """Which version an alias shall mean."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"version": 2}})

    version: int = Field(ge=1, lt=2**31)


class ModelExport(BaseModel):
    """The form that a version shall have."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"format": "onnx"}})

    format: ExportFormat = Field(
        description="`onnx`: bytes of images in, answers out; `safetensors`: weights, with the configuration in its"
        " metadata; `folder`: a .zip of the model folder"
    )


class ModelImport(BaseModel):
    """What an imported model is called, and how a VGG-M of another project presents images."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(description="Name of the model, which gets a new version")
    channels: Literal["RGB", "BGR"] = Field("RGB", description="VGG-M of another project: order of its channels")
    mean: str = Field("", description="VGG-M of another project: three numbers with commas, of pixels in 0..255")
    std: str = Field("", description="VGG-M of another project: three numbers with commas, of pixels in 0..255")

    def vggm(self) -> VggmInput:
        """Raises: ConfigInvalid: numbers that cannot be used."""
        given = {name: _three(text, name) for name, text in (("mean", self.mean), ("std", self.std)) if text}
        return VggmInput(channels=self.channels, **given)


def _three(text: str, name: str) -> tuple[float, float, float]:
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigInvalid(f"{name} must be three numbers with commas between them, got {text!r}") from error
    return first, second, third


class AliasRead(BaseModel):
    """A movable name for a version: `name@alias`."""

    name: str
    alias: str
    version: int
