"""What a model folder says about itself: how to rebuild the network, what it answers, and where it came from.

A model is a folder: `model.safetensors`, `config.json` (ModelConfig), `metrics.json`, `README.md` (the model card)
and `manifest.json` (sha256 of each other file, and Lineage). Nothing in it is ever unpickled.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pfa_core.config.net import NetConfig
from pfa_core.errors import ModelDamaged
from pfa_core.skeleton import JointSet

ModelKind = Literal["triplet", "appearance", "pose", "action"]
"""`triplet`: the joint net of pretraining from motion; `appearance`: an Appearance ConvNet by itself."""

FORMAT = 1
"""Version of the folder's layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """How to rebuild the network and prepare its input (`config.json`)."""

    kind: ModelKind
    net: NetConfig
    joints: JointSet | None = None
    """`pose`: one heatmap each, in this order."""
    labels: tuple[str, ...] = ()
    """`action`: the classes, in the order of the scores."""
    flow_maps: int = 24
    """`triplet`, and `action` of two streams: input channels of the Motion ConvNet."""
    two_stream: bool = False
    """`action`: a second network looks at flow."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The recipe's whole configuration as plain values: person crop, read-out, working size, ..."""
    version: str = ""
    """Library version that wrote it."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for `config.json`."""
        plain = asdict(self)
        plain["joints"] = None if self.joints is None else list(self.joints.names)
        plain["labels"] = list(self.labels)
        plain["format"] = FORMAT
        return plain

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> "ModelConfig":
        """Undo `to_json`.

        Raises:
            ModelDamaged: a value is missing, or the folder's layout is of a newer version.
        """
        try:
            if plain["format"] != FORMAT:
                raise ModelDamaged(
                    f"The model folder has layout {plain['format']}; this version reads layout {FORMAT}."
                )
            return ModelConfig(
                kind=plain["kind"],
                net=NetConfig(**plain["net"]),
                joints=None if plain["joints"] is None else JointSet(tuple(plain["joints"])),
                labels=tuple(plain["labels"]),
                flow_maps=plain["flow_maps"],
                two_stream=plain.get("two_stream", False),  # folders of before there were any do not say
                settings=plain["settings"],
                version=plain["version"],
            )
        except (KeyError, TypeError) as error:
            raise ModelDamaged(f"config.json of the model does not read: {error!r}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a model came from: enough to find the videos and the seed behind a prediction."""

    parent: str | None = None
    """`name@version` of the model it was initialised from; None for random initialisation."""
    motion_start: str | None = None
    """Of a model of two streams, what the second began as: `pretrained` (the parent's Motion ConvNet) or `random`."""
    objective: str | None = None
    """Of a pretrained model, what it was pretrained by: `motion`, `ranking`, `steady`, or `random` (not at all)."""
    dataset: str | None = None
    items_sha256: tuple[str, ...] = ()
    """sha256 of every video or image it learned from, sorted."""
    job: str | None = None
    seed: int = 0
    code: str = ""
    """Code version: the library's, with the commit where it is known."""
    created: str = ""
    """RFC 3339 time, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that `load_model` knows about a model besides its weights."""

    config: ModelConfig
    lineage: Lineage
    metrics: Mapping[str, Any]
    files: Mapping[str, str]
    """File name -> sha256, for every file of the folder but `manifest.json`."""
