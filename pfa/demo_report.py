"""From what the demo's stages found to the report that a person reads."""

import base64
import os
import platform
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa.demo_results import INITS, DemoResults, Nearest
from pfa.report import (
    Comparison,
    DemoReport,
    LeftOut,
    NextCommand,
    Picture,
    Prediction,
    Pretraining,
    Result,
    Setting,
    Timing,
)
from pfa_core.figures import curves_png, fitted
from pfa_core.images import read_image, write_png

_TILE_PX = 150
_MAX_PIXELS = 50_000_000
_PDJ = (("PDJ@0.2", "0.2"), ("PDJ@0.4", "0.4"))


def report_of(
    results: DemoResults, *, seed: int, timings_s: Mapping[str, float], settings: Mapping[str, Setting]
) -> DemoReport:
    """Everything that a run of the demo has to tell."""
    own = not results.scores
    return DemoReport(
        title="Your videos" if own else "The whole way, on sample clips",
        summary=(
            "Pose features were learned from the motion in your videos, without labels."
            if own
            else "Pose features were learned from motion in unlabelled clips, finetuned with few labels from there and"
            " from random weights, and tried on people who were in no training clip."
        ),
        seed=seed,
        settings=settings,
        machine=_machine(),
        timings=tuple(Timing(stage=stage, seconds=seconds) for stage, seconds in timings_s.items()),
        pretraining=_pretraining(results),
        filters=Picture(caption="Filters of the Appearance ConvNet's first layer", png=results.filters_png),
        comparisons=tuple(_comparison(task, scores) for task, scores in results.scores.items()),
        heatmaps=tuple(Picture(caption=name, png=png) for name, png in results.overlays),
        predictions=tuple(
            Prediction(clip=one.clip, true_label=one.label, top=one.answer.labels[:3]) for one in results.predictions
        ),
        pairs=tuple(_nearest(one) for one in results.nearest),
        left_out=tuple(
            LeftOut(video=entry["file"], code=entry["code"], message=entry["message"]) for entry in results.left_out
        ),
        next_commands=(
            NextCommand(says="Start a service for your own videos", command="make up"),
            NextCommand(says="The same demo on a folder of your videos", command="make demo VIDEOS=folder"),
        ),
    )


def _pretraining(results: DemoResults) -> Pretraining:
    metrics, job = results.metrics, results.pretraining
    return Pretraining(
        model=results.model,
        num_videos=int(metrics["train_videos"]),
        steps=job.progress.total,
        accuracy=metrics["accuracy"],
        chance=metrics["chance"],
        auc=metrics.get("auc"),
        loss=metrics.get("loss"),
        curves=Picture(caption="Loss and accuracy while pretraining", png=curves_png(results.curves)),
    )


def _comparison(task: str, scores: Mapping[str, Mapping[str, Any]]) -> Comparison:
    of_row, num_items = (_pose_row, "num_people") if task == "pose" else (_action_row, "num_clips")
    any_scores = next(iter(scores.values()))
    return Comparison(
        task=task.capitalize(),
        columns=tuple(of_row(any_scores)),
        rows=tuple(
            Result(init=init, model=f"{task}-{init}", values=tuple(of_row(scores[init]).values())) for init in INITS
        ),
        num_items=any_scores[num_items],
        items="images of people not seen in training" if task == "pose" else "clips of people not seen in training",
        note="One seed and a short schedule: a taste, not a measurement; differences of a few points mean nothing.",
    )


def _pose_row(scores: Mapping[str, Any]) -> dict[str, float | None]:
    row = {title: scores["pdj"][fraction]["mean"] for title, fraction in _PDJ}
    row |= {f"{joint} PDJ@0.4": _sides(scores["pdj"]["0.4"], joint) for joint in ("elbow", "wrist")}
    return row | {f"PCP {part.replace('_', ' ')}": scores["pcp"].get(part) for part in ("upper_arm", "lower_arm")}


def _sides(rates: Mapping[str, float | None], joint: str) -> float | None:
    known = [rate for side in ("left", "right") if (rate := rates.get(f"{side}_{joint}")) is not None]
    return sum(known) / len(known) if known else None


def _action_row(scores: Mapping[str, Any]) -> dict[str, float | None]:
    return {"top-1": scores["accuracy"], "mean per class": scores["mean_class_accuracy"]}


def _nearest(one: Nearest) -> Picture:
    """The query, then its neighbours, each with its distance."""
    tiles = [_tile(one.image, "query")]
    tiles += [_tile(_thumbnail(item.thumbnail), f"{item.distance:.2f}") for item in one.found if item.thumbnail]
    return Picture(caption=f"{one.name}: nearest poses by fc6, with distances", png=write_png(np.hstack(tiles)))


def _thumbnail(data_uri: str) -> bytes:
    return base64.b64decode(data_uri.partition(",")[2])


def _tile(image: bytes, text: str) -> NDArray[np.uint8]:
    tile = fitted(read_image(image, max_pixels=_MAX_PIXELS), _TILE_PX)
    label = np.full((20, _TILE_PX, 3), 244, dtype=np.uint8)
    cv2.putText(label, text, (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return np.vstack([tile, label])


def _machine() -> dict[str, Setting]:
    return {"cores": os.cpu_count() or 0, "system": platform.platform(), "python": platform.python_version()}
