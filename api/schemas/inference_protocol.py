"""The documents of the Open Inference Protocol, version 2. Source: kserve/open-inference-protocol, REST."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Datatype = Literal["UINT8", "FP32", "BYTES"]
Size = Annotated[int, Field(ge=-1, lt=2**31)]
TensorName = Annotated[str, Field(max_length=100)]


class ServerLive(BaseModel):
    live: bool


class ServerReady(BaseModel):
    ready: bool


class Server(BaseModel):
    """What this server is."""

    name: str
    version: str
    extensions: list[str]


class TensorMeaning(BaseModel):
    """A tensor that a model takes or gives; -1: any size."""

    name: str
    datatype: Datatype
    shape: list[int]


class ServedModel(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMeaning]
    outputs: list[TensorMeaning]


class ModelReady(BaseModel):
    name: str
    ready: bool


class TensorSent(BaseModel):
    """A tensor of a request; its data here, or behind the JSON document (`binary_data_size` bytes)."""

    model_config = ConfigDict(extra="forbid")

    name: TensorName
    shape: list[Annotated[int, Field(ge=0, lt=2**31)]] = Field(min_length=1, max_length=8)
    datatype: str = Field(max_length=20)
    parameters: dict[str, Any] = Field(default_factory=dict)
    data: list[Any] | None = Field(None, description="Row after row, flat or nested; BYTES: base64")


class TensorAsked(BaseModel):
    """An output that is wanted."""

    model_config = ConfigDict(extra="forbid")

    name: TensorName
    parameters: dict[str, Any] = Field(default_factory=dict)


class InferRequest(BaseModel):
    """A batch for a model: `crops` as it takes them in, or `images`, encoded, which are taken whole."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"inputs": [{"name": "images", "shape": [1], "datatype": "BYTES", "data": ["/9j/4AAQ..."]}]}
        },
    )

    id: str | None = Field(None, max_length=500)
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: list[TensorSent] = Field(min_length=1, max_length=1)
    outputs: list[TensorAsked] | None = Field(None, description="All of them where not given", max_length=10)


class TensorAnswered(BaseModel):
    """A tensor of an answer."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: dict[str, Any] | None = None
    data: list[float] | None = Field(None, description="Row after row, flat; missing where it follows the document")


class InferAnswer(BaseModel):
    """What a model says about a batch."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[TensorAnswered]
