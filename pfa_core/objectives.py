"""The objectives of pretraining by their configurations: which recipe learns it, and what its model folder says."""

from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path

from pfa_core.appearance_run import AppearanceResult
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.config.ranking import RankingConfig
from pfa_core.config.steady import SteadyConfig
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.manifest import ModelConfig
from pfa_core.pretrain import PretrainResult, PretrainVideo, pretrain
from pfa_core.pretrain_ranking import pretrain_ranking
from pfa_core.pretrain_steady import pretrain_steady
from pfa_core.progress import Progress

VideosConfig = PretrainConfig | RankingConfig | SteadyConfig


def learn_objective(
    videos: Sequence[PretrainVideo], *, config: VideosConfig, folder: Path, seed: int, device: str = "auto"
) -> Generator[Progress, None, PretrainResult | AppearanceResult]:
    """Run the recipe that a configuration belongs to. Raises: as that recipe."""
    match config:
        case PretrainConfig():
            return (yield from pretrain(videos, config=config, folder=folder, seed=seed, device=device))
        case RankingConfig():
            return (yield from pretrain_ranking(videos, config=config, folder=folder, seed=seed, device=device))
        case SteadyConfig():
            return (yield from pretrain_steady(videos, config=config, folder=folder, seed=seed, device=device))


def pretrained_model_config(config: VideosConfig | UntrainedConfig) -> ModelConfig:
    """How a model folder describes what pretraining makes: the joint net, or an Appearance ConvNet by itself."""
    if isinstance(config, PretrainConfig):
        return ModelConfig(kind="triplet", net=config.net, flow_maps=2 * config.gap_frames, settings=asdict(config))
    return ModelConfig(kind="appearance", net=config.net, settings=asdict(config))
