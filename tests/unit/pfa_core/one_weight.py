"""Training runs of a single weight, which can be followed by hand."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pfa_core.config.net import LearnConfig
from pfa_core.engine import train


def rows_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def one_weight(value: float = 1.0) -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def plain(steps: int = 3, **changes: Any) -> LearnConfig:
    base = LearnConfig(
        batch_size=1, steps=steps, learning_rate=0.1, drop_at=1.0, weight_decay=0.0,
        validate_every_steps=1000, checkpoint_every_steps=1000, autocast=False,
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def start(model: nn.Module, folder: Path, learn: LearnConfig, loss_of: Callable[..., Any], **more: Any) -> Any:
    return train(
        model, batch_of=lambda step: torch.tensor([[float(step)]]), loss_of=loss_of, learn=learn, folder=folder,
        config_sha256="x", device=torch.device("cpu"), seed=0, **more,
    )  # fmt: skip


def through(net: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
    return net(batch).sum(), {}
