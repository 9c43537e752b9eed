"""Half the batch, for a job whose memory ran out. It is another run than with the whole: no checkpoint is shared."""

from dataclasses import replace
from typing import TypeVar

from pfa_core.config.action import ActionConfig
from pfa_core.config.pose import PoseConfig
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.config.ranking import RankingConfig
from pfa_core.config.steady import SteadyConfig
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.errors import ConfigInvalid
from pfa_store.job_record import Job
from pfa_store.specs import FinetuneSpec, PretrainSpec

C = TypeVar("C", bound=PretrainConfig | RankingConfig | SteadyConfig | PoseConfig | ActionConfig)


def halved(config: C) -> C:
    """The same with half the batch; rate and steps stay.

    Raises:
        ConfigInvalid: it cannot learn from so small a batch.
    """
    return replace(config, learn=replace(config.learn, batch_size=config.learn.batch_size // 2))


def pretrain_config(job: Job) -> PretrainConfig | RankingConfig | SteadyConfig | UntrainedConfig:
    """What a pretraining job is to do, with the batch that it has come down to."""
    spec = job.request
    assert isinstance(spec, PretrainSpec)
    config = spec.resolve()
    return halved(config) if job.half_batch and not isinstance(config, UntrainedConfig) else config


def finetune_config(job: Job) -> PoseConfig | ActionConfig:
    """What a finetuning job is to do, with the batch that it has come down to."""
    spec = job.request
    assert isinstance(spec, FinetuneSpec)
    config = spec.resolve()
    return halved(config) if job.half_batch else config


def smaller_batch(job: Job) -> int | None:
    """The size of half a batch; None where the job has none, or has come down to it already, or it is too small."""
    spec = job.request
    if job.half_batch or not isinstance(spec, PretrainSpec | FinetuneSpec):
        return None
    config = spec.resolve()
    if isinstance(config, UntrainedConfig):
        return None
    try:
        return halved(config).learn.batch_size
    except ConfigInvalid:
        return None


def reduced(job: Job) -> dict[str, dict[str, int]]:
    """What the result of a job tells of that: nothing where it trained with what was asked for."""
    spec = job.request
    if not job.half_batch or not isinstance(spec, PretrainSpec | FinetuneSpec):
        return {}
    config = spec.resolve()
    if isinstance(config, UntrainedConfig):
        return {}
    return {"batch_size": {"asked": config.learn.batch_size, "used": halved(config).learn.batch_size}}
