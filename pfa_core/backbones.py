"""Taking a backbone out of one model and putting it into another. Source: paper sections 4.2 and 4.3."""

import torch
from torch import nn

from pfa_core.errors import ModelUnsuitable
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


def _sees_rgb(layers: ConvLayers) -> bool:
    return layers.conv1.conv.in_channels == 3


def copy_backbone(source: nn.Module, target: nn.Module) -> list[str]:
    """Copy conv1 to conv5 from any model into any other, and fc6 where both have it in the same shape.

    Returns:
        The names, in the target's state, of what was copied.

    Raises:
        ModelUnsuitable: the two are of different width or normalisation.
    """
    taken, given = conv_layers_of(source), conv_layers_of(target)
    ours, theirs = taken.state_dict(), given.state_dict()
    if {name: tensor.shape for name, tensor in ours.items()} != {name: t.shape for name, t in theirs.items()}:
        raise ModelUnsuitable(
            f"The model to start from has another backbone than the new one ({_described(taken)} against"
            f" {_described(given)}): give both the same net.width and net.norm."
        )
    copied = _copy(taken, given, into=target)
    fc6 = {"fc6", "fc6_norm"}
    source_net, target_net = _vggm_of(source), _vggm_of(target)
    if source_net is not None and target_net is not None and source_net.fc6.weight.shape == target_net.fc6.weight.shape:
        for name in sorted(fc6):
            layer, twin = getattr(source_net, name), getattr(target_net, name)
            if layer is not None:
                copied += _copy(layer, twin, into=target)
    return copied


def _vggm_of(module: nn.Module) -> VggM | None:
    return next((part for part in module.modules() if isinstance(part, VggM) and _sees_rgb(part.layers)), None)


def _described(layers: ConvLayers) -> str:
    return f"{layers.out_channels} channels, {'lrn' if layers.conv1.norm is None else 'batch'}"


def _copy(source: nn.Module, target: nn.Module, *, into: nn.Module) -> list[str]:
    """Copy one part's state; the names of its tensors in the state of `into`."""
    with torch.no_grad():
        target.load_state_dict(source.state_dict())
    prefix = next(name for name, part in into.named_modules() if part is target)
    return [f"{prefix}.{name}" if prefix else name for name in target.state_dict()]
