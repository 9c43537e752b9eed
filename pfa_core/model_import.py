"""Models from outside: a file or a folder that somebody sends becomes a model folder, or a clear refusal.

Nothing is unpickled. What a network must look like is known from its configuration before a weight is read.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pfa_core.errors import ConfigInvalid, DamageError, InputError, ModelUnreadable
from pfa_core.manifest import Lineage, Manifest, ModelConfig
from pfa_core.model_export import CONFIG_KEY
from pfa_core.model_settings import ActionSettings, PoseSettings
from pfa_core.models import FILES, build, library_version, load_model, save_model
from pfa_core.vggm_weights import VggmInput, adopt_vggm

IMPORTED = "imported"
"""`Lineage.objective` of weights that come without a manifest."""
_FLOATS = ("F16", "BF16", "F32", "F64")


def import_folder(source: Path, out: Path) -> Manifest:
    """Copy a model folder, such as one that was exported; every file must have the sha256 that its manifest says.

    Raises:
        ModelUnreadable: a file is missing or changed, or does not say what it must.
    """
    try:
        module, manifest = load_model(source)
        _check_config(manifest.config)
    except (DamageError, InputError, ValueError, TypeError, AttributeError) as error:
        raise ModelUnreadable(f"The folder is no model that can be used: {error}") from error
    _check_finite(module.state_dict())
    out.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(source / name, out / name)
    return manifest


def import_weights(weights: Path, out: Path, *, config: bytes | None, vggm: VggmInput) -> Manifest:
    """Make a model folder of a safetensors file.

    Args:
        weights: the file.
        out: the folder to write.
        config: a `config.json`; None: the one in the file's metadata (as exported files have it), or, where there is
            none, the file must hold a VGG-M of another project, see `vggm_weights`.
        vggm: how that project presents images.

    Raises:
        ModelUnreadable: the file does not read, or holds something else than the configuration says.
    """
    try:
        with safe_open(weights, framework="pt") as opened:
            stated = config if config is not None else (opened.metadata() or {}).get(CONFIG_KEY)
            module, described = (
                adopt_vggm(_read_all(opened), vggm) if stated is None else _described(opened, _config_of(stated))
            )
    except (SafetensorError, OSError) as error:
        raise ModelUnreadable(f"The file is no safetensors file: {error}. Pickled weights are not taken.") from error
    _check_finite(module.state_dict())
    lineage = Lineage(objective=IMPORTED, code=library_version())
    return save_model(out, module, config=replace(described, version=""), lineage=lineage, metrics={})


def _described(opened: Any, config: ModelConfig) -> tuple[nn.Module, ModelConfig]:  # noqa: ANN401  # it has no stubs
    """The network of a configuration with the weights of a file, whose shapes are compared before any is read."""
    with torch.device("meta"):
        module = build(config)
    wanted = {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: list(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118  # no mapping
    if wanted != found:
        raise ModelUnreadable(f"The weights are not those of the configuration: {_difference(wanted, found)}.")
    module.load_state_dict(_read_all(opened), assign=True)
    return module, config


def _difference(wanted: Mapping[str, list[int]], found: Mapping[str, list[int]]) -> str:
    """The first one, in words."""
    for name, shape in wanted.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != shape:
            return f"{name} has the shape {found[name]}, and {shape} is needed"
    return f"{next(name for name in found if name not in wanted)} has no place in it"


def _read_all(opened: Any) -> dict[str, Tensor]:  # noqa: ANN401  # as above
    """All tensors: floating ones as float32, counters as they are."""
    tensors = {}
    for name in opened.keys():  # noqa: SIM118  # as above
        kind = opened.get_slice(name).get_dtype()
        if kind not in (*_FLOATS, "I64"):
            raise ModelUnreadable(f"{name} is of the type {kind}; weights must be floating-point numbers.")
        tensor: Tensor = opened.get_tensor(name)
        tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    return tensors


def _config_of(text: bytes | str) -> ModelConfig:
    """Raises: ModelUnreadable: it does not describe a network that this version can build."""
    try:
        config = ModelConfig.from_json(json.loads(text))
        _check_config(config)
        with torch.device("meta"):
            build(config)
    except (DamageError, InputError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelUnreadable(f"The configuration (config.json) cannot be used: {error}") from error
    return config


def _check_config(config: ModelConfig) -> None:
    """Raises: ConfigInvalid, ModelDamaged: a value that would only fail when the model is used."""
    if not isinstance(config.settings, Mapping) or not all(isinstance(label, str) for label in config.labels):
        raise ConfigInvalid("settings must be an object, and labels must be texts.")
    if not isinstance(config.flow_maps, int) or not 2 <= config.flow_maps <= 256:
        raise ConfigInvalid(f"flow_maps must lie in 2..256, got {config.flow_maps!r}")
    if len(config.labels) > 100_000:
        raise ConfigInvalid("At most 100 000 labels are taken.")
    if config.kind == "pose":
        PoseSettings.of(config)
    elif config.kind == "action":
        ActionSettings.of(config)


def _check_finite(state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise ModelUnreadable(f"{name} holds values that are not finite numbers.")
