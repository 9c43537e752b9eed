"""Comparing initialisations under one budget: the paper's tables 1 to 4 on one's own data. Source: paper section 4."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pfa_core.config import action, pose, pretrain, ranking, steady
from pfa_core.config.action import ActionConfig
from pfa_core.config.net import NetConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.config.ranking import RankingConfig
from pfa_core.config.steady import SteadyConfig
from pfa_core.errors import ConfigInvalid

RANDOM = "random"
"""The initialisation that all others are compared with: none."""
LEARNED = ("motion", "ranking", "steady", "action")
"""Initialisations that are trained here where no model of them is given; `action` is learned from labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesConfig:
    """Everything that decides what a comparison does."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    pose: PoseConfig
    """Tables 1 and 2."""
    action: ActionConfig
    """Table 3, and the initialisation `action`."""
    two_stream: bool = False
    """Table 3 also with a second network on flow beside each Action ConvNet; see `ActionConfig.two_stream`."""
    static: ActionConfig
    """Table 4."""
    motion: PretrainConfig
    ranking: RankingConfig
    steady: SteadyConfig
    initialisations: tuple[str, ...] = (RANDOM, *LEARNED)
    """In the order of the tables' rows; a model that is given under another name is a row of its own."""
    seeds: int = 5
    """Finetuning runs of each kind: with seed `first_seed`, `first_seed + 1`, ..."""
    first_seed: int = 0
    fewer_seeds: Mapping[str, int] = field(default_factory=dict)
    """Initialisation -> fewer runs for it than `seeds`."""
    fractions: tuple[float, ...] = (0.1, 0.3, 1.0)
    """Shares of the training labels to finetune with; the tables are those of all labels."""
    fraction_seeds: int | None = None
    """Runs of each kind with fewer labels than all; None: as many as with all."""
    static_images: int = 50
    """Training images in table 4, drawn anew by each seed. Source: paper section 4.4."""
    static_frames: int = 3
    """Frames that are taken of each clip where still images are made from clips."""
    pretraining_seeds: int = 1
    """Models that are pretrained by each objective; finetuning runs use them in turn. With one, an interval tells how
    much finetuning varies, not how much pretraining does."""

    def __post_init__(self) -> None:
        if RANDOM not in self.initialisations or len(set(self.initialisations)) != len(self.initialisations):
            raise ConfigInvalid(f"initialisations must name {RANDOM!r}, and none twice: all are compared with it")
        for name in ("seeds", "static_images", "static_frames", "pretraining_seeds"):
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} must be >= 1, got {getattr(self, name)}")
        if self.first_seed < 0:
            raise ConfigInvalid(f"first_seed must be >= 0, got {self.first_seed}")
        if self.fraction_seeds is not None and not 0 <= self.fraction_seeds <= self.seeds:
            raise ConfigInvalid(f"fraction_seeds must lie in 0..seeds ({self.seeds}), got {self.fraction_seeds}")
        for name, seeds in self.fewer_seeds.items():
            if not 0 <= seeds <= self.seeds:
                raise ConfigInvalid(f"fewer_seeds.{name} must lie in 0..seeds ({self.seeds}), got {seeds}")
        if 1.0 not in self.fractions or not all(0 < fraction <= 1 for fraction in self.fractions):
            raise ConfigInvalid(f"fractions must lie in (0, 1], and 1 must be among them, got {self.fractions}")
        replace(self.action, two_stream=self.two_stream)  # refuses what it cannot be
        self._check_one_backbone()
        if not self.motion.pack == self.ranking.pack == self.steady.pack:
            raise ConfigInvalid("motion.pack, ranking.pack and steady.pack must be equal: all learn from the same flow")

    def _check_one_backbone(self) -> None:
        """What differs in shape cannot be started from."""
        for name in ("width", "norm"):
            values = {part: getattr(net, name) for part, net in self.nets.items()}
            if len(set(values.values())) > 1:
                told = ", ".join(f"{part} has {value!r}" for part, value in values.items())
                raise ConfigInvalid(f"net.{name} must be the same everywhere, or nothing can be compared: {told}")

    @property
    def nets(self) -> dict[str, NetConfig]:
        """The network of every part."""
        return {
            "pose": self.pose.net, "action": self.action.net, "static": self.static.net,
            "motion": self.motion.net, "ranking": self.ranking.net, "steady": self.steady.net,
        }  # fmt: skip

    def seeds_of(self, initialisation: str, *, fraction: float = 1.0) -> range:
        """The seeds of the runs from an initialisation with a share of the labels."""
        most = self.seeds if fraction == 1 or self.fraction_seeds is None else self.fraction_seeds
        return range(self.first_seed, self.first_seed + min(most, self.fewer_seeds.get(initialisation, self.seeds)))

    def pretraining_seed(self, seed: int) -> int:
        """The seed of the pretrained model that the finetuning run with this seed starts from."""
        return self.first_seed + (seed - self.first_seed) % self.pretraining_seeds


def paper() -> TablesConfig:
    """The paper's networks and schedules, five runs each."""
    return TablesConfig(
        pose=replace(pose.paper(), val_fraction=0.0),
        action=_of_all_labels(action.paper()),
        static=_of_all_labels(action.paper(), steps=2_000),
        motion=pretrain.paper(),
        ranking=ranking.paper(),
        steady=steady.paper(),
    )


def small() -> TablesConfig:
    """The `small` presets of every recipe, and two streams: hours on a few CPU cores."""
    return TablesConfig(
        two_stream=True,
        pose=replace(pose.small(), val_fraction=0.0),
        action=_of_all_labels(action.small()),
        static=_of_all_labels(action.small(), steps=300),
        motion=pretrain.small(),
        ranking=ranking.small(),
        steady=steady.small(),
    )


def _of_all_labels(config: ActionConfig, *, steps: int | None = None) -> ActionConfig:
    """Nothing is chosen by validation, so no label is spared for it. Fewer steps for fifty images."""
    learn = config.learn if steps is None else replace(config.learn, steps=steps)
    return replace(config, learn=learn, val_fraction=0.0)
