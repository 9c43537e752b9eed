"""A small training run, started by test_engine in this process and, to be killed, in one of its own."""

import sys
from collections.abc import Generator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core import seeds
from pfa_core.config.net import LearnConfig
from pfa_core.engine import TrainResult, train
from pfa_core.progress import Progress

STEPS = 24
LEARN = LearnConfig(
    batch_size=4, steps=STEPS, learning_rate=0.05, schedule="one_cycle", max_norm=1.0,
    validate_every_steps=7, checkpoint_every_steps=5, autocast=False,
)  # fmt: skip


def new_model() -> nn.Module:
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


def validate(model: nn.Module) -> dict[str, float]:
    images, labels = batch_of(1000)
    return {"accuracy": float((model(images).argmax(1) == labels).float().mean())}


def run(model: nn.Module, folder: Path) -> Generator[Progress, None, TrainResult]:
    return train(
        model, batch_of=batch_of, loss_of=loss_of, learn=LEARN, folder=folder, config_sha256="toy", seed=3,
        device=torch.device("cpu"), validate=validate,
    )  # fmt: skip


def main() -> None:
    """Train in the folder that is named on the command line, saying each step."""
    torch.set_num_threads(1)
    for progress in run(new_model(), Path(sys.argv[1])):
        sys.stdout.write(f"{progress.step}\n")
        sys.stdout.flush()
        sys.stdin.readline()  # goes on when told to, so that the test can kill it at a known step


if __name__ == "__main__":
    main()
