"""What one cell measures: finetune on the training labels, test on the test items, give the figures.

Figures are flat: `pcp upper_arm`, `pdj@0.2 elbow`, `accuracy`, rates in [0, 1].
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from pfa_core.clip_packs import packs_of_clips
from pfa_core.config.action import ActionConfig
from pfa_core.config.tables import TablesConfig
from pfa_core.evaluate import Evaluation, evaluate_action, evaluate_pose
from pfa_core.finetune_action import finetune_action
from pfa_core.finetune_pose import finetune_pose
from pfa_core.pose_scores import PAPER_FRACTIONS
from pfa_core.progress import Progress
from pfa_core.scores import MEAN
from pfa_core.tables.cell import Cell
from pfa_core.tables.labels import with_count, with_share
from pfa_core.tables.looks import overlays_png
from pfa_core.tables.sources import ActionSet, PoseSet
from pfa_core.video.limits import DecodeLimits

CURVES = ("elbow", "wrist", MEAN)
"""Parts of whom the whole PDJ curve is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a cell."""

    figures: Mapping[str, float]
    num_train: int
    num_test: int
    curves: Mapping[str, list[float | None]] = field(default_factory=dict)
    """Part -> PDJ at the thresholds of `pose_scores.CURVE`."""
    picture: bytes | None = None
    """PNG of some test people with what was found, where it was asked for."""


def measure_pose(
    cell: Cell, people: PoseSet, *, config: TablesConfig, init: nn.Module | None, work: Path, device: str, drawn: bool
) -> Generator[Progress, None, Measured]:
    """Tables 1 and 2. `drawn`: also a picture. Raises: as `finetune_pose` and `evaluate_pose`."""
    shown = with_share(people.people, cell.fraction, seed=cell.seed)
    run = yield from finetune_pose(
        shown, joints=people.joints, config=config.pose, folder=work, seed=cell.seed, init=init, device=device,
    )  # fmt: skip
    found = yield from evaluate_pose(run.model, run.config, people.tested)
    curves: dict[str, Any] = found.scored.details["pdj_curve"]["parts"]
    return Measured(
        figures=pose_figures(found),
        num_train=len(shown) - len(people.people) + len(people.trained),
        num_test=found.metrics["num_people"],
        curves={part: curves[part]["value"] for part in CURVES if part in curves},
        picture=overlays_png(run.model, run.config, people.tested) if drawn else None,
    )


def pose_figures(found: Evaluation) -> dict[str, float]:
    """PCP of body parts, PDJ of pairs and the mean of all joints; without those that have no rate."""
    metrics = found.metrics
    figures = {f"pcp {part}": rate for part, rate in metrics["pcp"].items()}
    for fraction in PAPER_FRACTIONS:
        rates = metrics["pdj_pairs"][f"{fraction:g}"] | {MEAN: metrics["pdj"][f"{fraction:g}"][MEAN]}
        figures |= {f"pdj@{fraction:g} {part}": rate for part, rate in rates.items()}
    figures["pck@0.1 mean"] = metrics["pck"]["0.1"][MEAN]
    return {name: rate for name, rate in figures.items() if rate is not None}


def measure_action(
    cell: Cell,
    clips: ActionSet,
    *,
    config: TablesConfig,
    init: nn.Module | None,
    work: Path,
    packs: Path,
    device: str,
) -> Generator[Progress, None, Measured]:
    """Tables 3 and 4. `packs`: the folder of packs. Raises: as `finetune_action` and `evaluate_action`."""
    labels = [clip.label for clip in clips.clips]
    if cell.task == "static":
        shown = with_count(clips.clips, config.static_images, seed=cell.seed, labels=labels)
    else:
        shown = with_share(clips.clips, cell.fraction, seed=cell.seed, labels=labels)
    action, found_packs = _config_of(cell, config), None
    if action.two_stream:
        learned = [clip for clip in shown if clip.split != "test"]
        found_packs, _ = yield from packs_of_clips(learned, action.motion.pack, folder=packs)
    run = yield from finetune_action(
        shown, config=action, folder=work, seed=cell.seed, init=init, device=device, limits=DecodeLimits(),
        packs=found_packs,
    )  # fmt: skip
    found = yield from evaluate_action(run.model, run.config, clips.tested, limits=DecodeLimits())
    metrics = found.metrics
    figures = {"accuracy": metrics["accuracy"], "mean_class_accuracy": metrics["mean_class_accuracy"]}
    if action.two_stream:
        figures["motion_accuracy"] = metrics["streams"]["motion"]["accuracy"]
    return Measured(
        figures={name: rate for name, rate in figures.items() if rate is not None},
        num_train=sum(clip.split in (None, "train") for clip in shown),
        num_test=metrics["num_clips"],
    )


def _config_of(cell: Cell, config: TablesConfig) -> ActionConfig:
    if cell.layers == "two_stream":
        return replace(config.action, layers="full", two_stream=True)
    return replace(config.static if cell.task == "static" else config.action, layers=cell.layers)
