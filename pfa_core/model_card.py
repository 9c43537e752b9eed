"""The model card: what a model is, how good it is, where it came from and how to load it, as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from pfa_core.manifest import Lineage, Manifest, ModelConfig

_WHAT = {
    "triplet": "Pose features learned from unlabelled video: it tells whether a motion turns one pose into another. Its"
    " Appearance ConvNet's fc6 is the pose feature.",
    "appearance": "An Appearance ConvNet by itself: its fc6 is a feature of an image, to start other models from and to"
    " compare poses with. The objective below says what it learned from.",
    "pose": "Finds the joints of a person in a crop: one heatmap per joint.",
    "action": "Names the action in an image or a clip.",
}
_TWO_STREAMS = (
    " It has two streams: one looks at frames, as the paper's Action ConvNet, the other at blocks of optical flow,"
    " which the paper does not have; their probabilities are averaged. An image, or a clip that is too short for a"
    " block, is judged by the first alone."
)


def model_card(manifest: Manifest, *, num_weights: int) -> str:
    """The text of a model folder's `README.md`."""
    config = manifest.config
    parts = [
        f"# {config.kind} model",
        _WHAT[config.kind] + (_TWO_STREAMS if config.two_stream else ""),
        "## Network\n\n" + _table(_network(config, num_weights)),
        "## Metrics\n\n" + (_table(_figures(manifest.metrics)) or "None were measured."),
        "## Lineage\n\n" + _table(_lineage(manifest.lineage)),
        "## Loading\n\n```python\nfrom pathlib import Path\n\nfrom pfa_core.models import load_model\n\n"
        'module, manifest = load_model(Path("<this folder>"))\n```\n\n'
        "Input is normalised by `pfa_core.nets.preprocess`. `manifest.json` holds the sha256 of each file;"
        " `load_model` checks them.",
    ]
    return "\n\n".join(parts) + "\n"


def _network(config: ModelConfig, num_weights: int) -> Iterator[tuple[str, object]]:
    yield "VGG-M width", config.net.width
    yield "input", f"{config.net.crop_px} x {config.net.crop_px} px"
    yield "normalisation", config.net.norm
    if config.two_stream:
        yield "streams", f"appearance, motion ({config.flow_maps} flow maps)"
    yield "weights", f"{num_weights:,}"
    if config.joints is not None:
        yield "joints", ", ".join(config.joints.names)
    if config.labels:
        yield "labels", ", ".join(config.labels)
    yield "library version", config.version


def _figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Single figures only; tables and matrices stay in `metrics.json`."""
    for name, value in metrics.items():
        if isinstance(value, int | float | str):
            yield name, f"{value:.4g}" if isinstance(value, float) else value


def _lineage(lineage: Lineage) -> Iterator[tuple[str, object]]:
    if lineage.objective is not None:
        yield "objective", lineage.objective
    yield "initialised from", lineage.parent or "random weights"
    if lineage.motion_start is not None:
        yield "motion stream began as", f"{lineage.motion_start} weights"
    yield "data set", lineage.dataset or "not recorded"
    yield "videos or images", f"{len(lineage.items_sha256)} (sha256 of each in `manifest.json`)"
    yield "job", lineage.job or "not recorded"
    yield "seed", lineage.seed
    yield "code", lineage.code or "not recorded"
    yield "created", lineage.created or "not recorded"


def cell(value: object) -> str:
    """A value inside a Markdown table or heading: one line, no bars, no HTML."""
    return " ".join(str(value).split()).replace("|", "/").replace("<", "&lt;")


def _table(rows: Iterator[tuple[str, object]]) -> str:
    lines = [f"| {name} | {cell(value)} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines]) if lines else ""
