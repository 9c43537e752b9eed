"""A small training run that has what makes resuming hard."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core import seeds
from pfa_core.config.net import LearnConfig
from pfa_core.engine import Goal, TrainResult, train
from pfa_core.prefetch import ONE_AHEAD, Prefetch
from pfa_core.progress import Progress

STEPS = 24
LEARN = LearnConfig(
    batch_size=4, steps=STEPS, learning_rate=0.05, schedule="one_cycle", max_norm=1.0,
    validate_every_steps=7, checkpoint_every_steps=5, autocast=False,
)  # fmt: skip
RECIPES = {
    "plain": LEARN,
    "averaged": replace(LEARN, ema_decay=0.8),
    "fp16": replace(LEARN, autocast=True, half="fp16"),
    "best": replace(LEARN, ema_decay=0.8, returns="best", validate_every_steps=4),
    "slower": LEARN,
    "patient": replace(LEARN, patience=6, validate_every_steps=2),
}


def new_model() -> nn.Sequential:
    """Has what makes resuming hard: dropout, running statistics, a convolution with channels last."""
    with seeds.seeded(11):
        return nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(8 * 36, 2)
        )


def batch_of(step: int) -> tuple[Tensor, Tensor]:
    rng = seeds.generator(5, step)
    images = torch.from_numpy(rng.standard_normal((4, 3, 8, 8)).astype("float32"))
    return images, (images.mean(dim=(1, 2, 3)) > 0).long()


def loss_of(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Mapping[str, float | Tensor]]:
    images, labels = batch
    logits = model(images)
    return functional.cross_entropy(logits, labels), {"accuracy": (logits.argmax(1) == labels).float().mean()}


GOAL = Goal(figure="accuracy", larger_is_better=True)
"""Of four images: it soon ties, which is no improvement."""


def validate(model: nn.Module) -> dict[str, float]:
    images, labels = batch_of(1000)
    return {"accuracy": float((model(images).argmax(1) == labels).float().mean())}


def equal(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    """Bit by bit, as long as nothing is NaN."""
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def run(
    model: nn.Sequential,
    folder: Path,
    recipe: str,
    *,
    batch_of: Callable[[int], tuple[Tensor, Tensor]] = batch_of,
    prefetch: Prefetch = ONE_AHEAD,
) -> Generator[Progress, None, TrainResult]:
    rates = dict.fromkeys(model[0].parameters(), 0.1) if recipe == "slower" else None
    return train(
        model, batch_of=batch_of, loss_of=loss_of, learn=RECIPES[recipe], folder=folder, config_sha256=recipe, seed=3,
        device=torch.device("cpu"), validate=validate, goal=GOAL, prefetch=prefetch, rates=rates,
    )  # fmt: skip
