"""Model folders: a trained network with all that is needed to load it, judge it and trace it. Never pickle."""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from pfa_core.backbones import appearance_of, copy_backbone, copy_motion
from pfa_core.durable import flush, sha256_of
from pfa_core.errors import ConfigInvalid, ModelDamaged
from pfa_core.manifest import Lineage, Manifest, ModelConfig
from pfa_core.model_card import model_card
from pfa_core.nets.action import ActionNet, TwoStreamNet
from pfa_core.nets.pose import PoseNet
from pfa_core.nets.triplet import TripletNet
from pfa_core.nets.vggm import VggM
from pfa_core.tensor_files import save_tensors

__all__ = [
    "appearance_of", "build", "copy_backbone", "copy_motion", "library_version", "load_model", "read_manifest",
    "save_model",
]  # fmt: skip

WEIGHTS, CONFIG, METRICS, CARD, MANIFEST = (
    "model.safetensors",
    "config.json",
    "metrics.json",
    "README.md",
    "manifest.json",
)
FILES = (WEIGHTS, CONFIG, METRICS, CARD, MANIFEST)
"""Of a model folder."""


def build(config: ModelConfig) -> nn.Module:
    """The network that a configuration describes, with fresh weights.

    Raises:
        ModelDamaged: a kind that this version does not know, or a configuration that lacks what the kind needs.
    """
    match config.kind:
        case "triplet":
            return TripletNet(config.net, flow_maps=config.flow_maps)
        case "appearance":
            return VggM(config.net)
        case "pose" if config.joints is not None:
            return PoseNet(config.net, len(config.joints))
        case "action" if config.labels and config.two_stream:
            return TwoStreamNet(config.net, len(config.labels), flow_maps=config.flow_maps)
        case "action" if config.labels:
            return ActionNet(config.net, len(config.labels))
    raise ModelDamaged(f"config.json does not describe a network that this version can build (kind {config.kind!r}).")


def save_model(
    folder: Path, module: nn.Module, *, config: ModelConfig, lineage: Lineage, metrics: Mapping[str, Any]
) -> Manifest:
    """Write a model folder, atomically: it appears complete or not at all. A model that was there is replaced.

    Raises:
        ConfigInvalid: `folder` exists and holds something else than a model.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and any(folder.iterdir()):
        raise ConfigInvalid(f"{folder} holds other files; choose a folder that is empty or does not exist.")
    config = config if config.version else replace(config, version=library_version())
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        manifest = _write(temporary, module, Manifest(config=config, lineage=lineage, metrics=metrics, files={}))
        _install(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def library_version() -> str:
    """The installed library's version; `unknown` where it runs from a bare source tree."""
    try:
        return metadata.version("pfa")
    except metadata.PackageNotFoundError:
        return "unknown"


def _write(folder: Path, module: nn.Module, manifest: Manifest) -> Manifest:
    folder.chmod(0o755)  # mkdtemp's 0700 would hide the model from its group
    state = module.state_dict()
    save_tensors(state, folder / WEIGHTS)
    _write_json(folder / CONFIG, manifest.config.to_json())
    _write_json(folder / METRICS, manifest.metrics)
    (folder / CARD).write_text(model_card(manifest, num_weights=sum(tensor.numel() for tensor in state.values())))
    files = {name: sha256_of(folder / name) for name in (WEIGHTS, CONFIG, METRICS, CARD)}
    _write_json(folder / MANIFEST, {"format": 1, "lineage": asdict(manifest.lineage), "files": files})
    for name in (*files, MANIFEST):
        flush(folder / name)
    flush(folder)
    return replace(manifest, files=files)


def _write_json(path: Path, plain: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(plain, indent=2) + "\n")


def _install(temporary: Path, folder: Path) -> None:
    """Put the finished folder in place."""
    old = temporary.with_suffix(".old")
    if folder.exists():
        folder.rename(old)
    temporary.rename(folder)
    flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def load_model(folder: Path, *, device: str | torch.device = "cpu", verify: bool = True) -> tuple[nn.Module, Manifest]:
    """Read a model folder; the network is in evaluation mode.

    Args:
        verify: compare every file with its sha256.

    Raises:
        ModelDamaged: a file is missing or changed, or does not say what it must.
    """
    manifest = read_manifest(folder, verify=verify)
    with torch.device("meta"):
        module = build(manifest.config)
    try:
        module.load_state_dict(load_file(folder / WEIGHTS), assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelDamaged(f"{folder / WEIGHTS} does not hold this network's weights: {error}") from error
    for parameter in module.parameters():
        parameter.requires_grad_(True)
    return module.to(device).eval(), manifest


def read_manifest(folder: Path, *, verify: bool = True) -> Manifest:
    """All that a model folder says besides the weights.

    Raises:
        ModelDamaged: as `load_model`.
    """
    plain = _read_json(folder / MANIFEST)
    try:
        files = {str(name): str(sha) for name, sha in plain["files"].items()}
        lineage = Lineage(**plain["lineage"] | {"items_sha256": tuple(plain["lineage"]["items_sha256"])})
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelDamaged(f"{folder / MANIFEST} does not read: {error!r}") from error
    for name in (WEIGHTS, CONFIG, METRICS, CARD):
        _check(folder, name, files, verify=verify)
    config = ModelConfig.from_json(_read_json(folder / CONFIG))
    return Manifest(config=config, lineage=lineage, metrics=_read_json(folder / METRICS), files=files)


def _check(folder: Path, name: str, files: Mapping[str, str], *, verify: bool) -> None:
    path = folder / name
    if name not in files or not path.is_file():
        raise ModelDamaged(f"{path} is missing: the model is incomplete. Copy the whole folder again.", file=name)
    if verify and sha256_of(path) != files[name]:
        raise ModelDamaged(f"{path} was changed since it was written (its sha256 differs).", file=name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelDamaged(f"{path} cannot be read: {os.strerror(error.errno or 0)}.", file=path.name) from error
    except ValueError as error:
        raise ModelDamaged(f"{path} is not JSON: {error}", file=path.name) from error
    if not isinstance(plain, dict):
        raise ModelDamaged(f"{path} does not hold a JSON object.", file=path.name)
    return plain
