"""An Appearance ConvNet with its first weights, to tell what learning adds. Source: paper section 4, "Random"."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pfa_core.config import pretrain
from pfa_core.config.net import NetConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class UntrainedConfig:
    """The shape of the network; its seed decides the rest."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    net: NetConfig


def paper() -> UntrainedConfig:
    """The paper's network."""
    return UntrainedConfig(net=pretrain.paper().net)


def small() -> UntrainedConfig:
    """The network of pretraining's `small`."""
    return UntrainedConfig(net=pretrain.small().net)
