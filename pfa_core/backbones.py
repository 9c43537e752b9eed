"""Taking a backbone out of one model and putting it into another. Source: paper sections 4.2 and 4.3."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pfa_core.errors import ModelUnsuitable
from pfa_core.nets.local_response import FACTOR_OF_SMALL
from pfa_core.nets.vggm import ConvLayers, VggM


def appearance_of(module: nn.Module) -> VggM:
    """The network from an RGB crop to fc6: of a triplet model its Appearance ConvNet, of an action model its VGG-M, an
    appearance model as it is.

    Raises:
        ModelUnsuitable: the model ends before fc6, as a pose model does.
    """
    for part in module.modules():
        if isinstance(part, VggM) and _sees_rgb(part.layers):
            return part
    raise ModelUnsuitable("This model has no fc6 feature; use a pretrained (triplet or appearance) or an action model.")


def conv_layers_of(module: nn.Module) -> ConvLayers:
    """conv1 to conv5 over RGB, which every kind of model has.

    Raises:
        ModelUnsuitable: the module has none.
    """
    for part in module.modules():
        if isinstance(part, ConvLayers) and _sees_rgb(part):
            return part
    raise ModelUnsuitable("This model has no VGG-M over RGB images.")


def copy_motion(source: nn.Module, target: nn.Module) -> list[str]:
    """Copy the Motion ConvNet of one model, conv1 to fc6, into that of another; fc6 only where the shapes are the same.

    Returns:
        The names, in the target's state, of what was copied; none where either has no Motion ConvNet.

    Raises:
        ModelUnsuitable: the two differ in the number of flow maps, or as `copy_backbone` says.
    """
    taken, given = motion_of(source), motion_of(target)
    if taken is None or given is None:
        return []
    ours, theirs = taken.layers.conv1.conv.in_channels, given.layers.conv1.conv.in_channels
    if ours != theirs:
        raise ModelUnsuitable(
            f"The model to start from looks at blocks of {ours} flow maps, the new one at {theirs}: give both the same"
            " gap_frames."
        )
    return _copy_layers(taken.layers, given.layers, into=target) + _copy_fc6(taken, given, into=target)


def motion_of(module: nn.Module) -> VggM | None:
    """The Motion ConvNet, from a flow block to fc6; None where the model has none."""
    return next((part for part in module.modules() if isinstance(part, VggM) and not _sees_rgb(part.layers)), None)


def _sees_rgb(layers: ConvLayers) -> bool:
    return layers.conv1.conv.in_channels == 3


def copy_backbone(source: nn.Module, target: nn.Module) -> list[str]:
    """Copy conv1 to conv5 from any model into any other, and fc6 where both have it in the same shape.

    A net with batch norm takes the weights of one with local response normalisation (LRN) too. The paper (section 4.2)
    saw 1.5 % more PCP when it finetuned its LRN net with batch norm. The norms then start anew: training replaces their
    statistics at once. What the old net added and multiplied goes into them, so that in evaluation mode, and in layers
    that stay frozen, each layer answers relu(W x + b) as before: -b is the norm's running mean, and the weights of the
    norms of conv1 and conv2 are what LRN multiplies small responses by. What LRN takes from the neighbours of large
    responses is lost, and so the other way is refused: a net with LRN cannot do without it, whatever is folded.

    Returns:
        The names, in the target's state, of what was copied.

    Raises:
        ModelUnsuitable: the two are of different width, or the source alone has batch norm.
    """
    copied = _copy_layers(conv_layers_of(source), conv_layers_of(target), into=target)
    ours, theirs = _vggm_of(source), _vggm_of(target)
    if ours is not None and theirs is not None:
        copied += _copy_fc6(ours, theirs, into=target)
    return copied


def _copy_layers(taken: ConvLayers, given: ConvLayers, *, into: nn.Module) -> list[str]:
    """Copy conv1 to conv5. Raises: ModelUnsuitable: see `copy_backbone`."""
    widths = [[stage.conv.weight.shape for stage in layers.stages] for layers in (taken, given)]
    if widths[0] != widths[1] or (_has_batch_norm(taken) and not _has_batch_norm(given)):
        raise ModelUnsuitable(
            f"The model to start from has another backbone than the new one ({_described(taken)} against"
            f" {_described(given)}): give both the same net.width and net.norm; net.norm 'batch' takes 'lrn' too."
        )
    copied: list[str] = []
    for stage, twin in zip(taken.stages, given.stages, strict=True):
        copied += _copy_layer((stage.conv, stage.norm), (twin.conv, twin.norm), into=into, local=stage.local)
    return copied


def _copy_fc6(taken: VggM, given: VggM, *, into: nn.Module) -> list[str]:
    """Copy fc6 where it has the same shape in both."""
    if taken.fc6.weight.shape != given.fc6.weight.shape:
        return []
    return _copy_layer((taken.fc6, taken.fc6_norm), (given.fc6, given.fc6_norm), into=into, local=False)


_Layer = tuple[nn.Conv2d | nn.Linear, nn.BatchNorm1d | nn.BatchNorm2d | None]
"""Weights and the batch norm after them."""


def _copy_layer(source: _Layer, target: _Layer, *, into: nn.Module, local: bool) -> list[str]:
    """Copy a layer, also one without batch norm (and with LRN where `local`) into one with it; the names in `into`."""
    (weights, norm), (new_weights, new_norm) = source, target
    if norm is not None and new_norm is not None:
        return _copy(weights, new_weights, into=into) + _copy(norm, new_norm, into=into)
    if new_norm is None:
        return _copy(weights, new_weights, into=into)
    assert weights.bias is not None
    state = {
        "weight": torch.full_like(new_norm.weight, FACTOR_OF_SMALL if local else 1.0),
        "bias": torch.zeros_like(new_norm.bias),
        "running_mean": -weights.bias,
        "running_var": torch.full_like(new_norm.weight, 1.0 - new_norm.eps),  # so that it divides by 1
        "num_batches_tracked": torch.tensor(0),
    }
    plain = {"weight": weights.weight}
    return _load(plain, new_weights, into=into) + _load(state, new_norm, into=into)


def _vggm_of(module: nn.Module) -> VggM | None:
    return next((part for part in module.modules() if isinstance(part, VggM) and _sees_rgb(part.layers)), None)


def _has_batch_norm(layers: ConvLayers) -> bool:
    return layers.conv1.norm is not None


def _described(layers: ConvLayers) -> str:
    return f"{layers.out_channels} channels, {'batch' if _has_batch_norm(layers) else 'lrn'}"


def _copy(source: nn.Module, target: nn.Module, *, into: nn.Module) -> list[str]:
    """Copy one part's state; the names of its tensors in the state of `into`."""
    return _load(source.state_dict(), target, into=into)


def _load(state: Mapping[str, Tensor], target: nn.Module, *, into: nn.Module) -> list[str]:
    """Give a part this state; the names of its tensors in the state of `into`."""
    with torch.no_grad():
        target.load_state_dict(state)
    prefix = next(name for name, part in into.named_modules() if part is target)
    return [f"{prefix}.{name}" if prefix else name for name in target.state_dict()]
