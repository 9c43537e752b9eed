"""The files of an evaluation: every figure for other programs, for a spreadsheet, and as pictures."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pfa_core.score_charts import confusion_png, pdj_png
from pfa_core.scores import Scored, scores_csv
from pfa_core.skeleton import JointSet

JSON, CSV, PDJ, CONFUSION = "evaluation.json", "evaluation.csv", "pdj.png", "confusion.png"


def evaluation_files(scored: Scored, *, about: Mapping[str, Any]) -> dict[str, bytes]:
    """File name -> content.

    `evaluation.json` has `about`, the metrics and the details; `evaluation.csv` a row a figure with its threshold,
    interval and counts; `pdj.png` is of a pose model, `confusion.png` of an action model.

    Args:
        about: what was evaluated, on what; plain values.
    """
    everything = {"format": 1, **about, "metrics": scored.metrics, **scored.details}
    files = {
        JSON: (json.dumps(everything, indent=1, allow_nan=False) + "\n").encode(),
        CSV: scores_csv(scored.scores).encode(),
    }
    metrics = scored.metrics
    if metrics["task"] == "pose":
        title = f"Percentage of detected joints, {metrics['num_people']} people"
        joints = JointSet(tuple(metrics["joints"]))
        files[PDJ] = pdj_png(scored.details["pdj_curve"]["parts"], joints, title=title)
    else:
        files[CONFUSION] = confusion_png(np.array(metrics["confusion"]), metrics["labels"])
    return files
