from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pfa_core.config.net import NetConfig
from pfa_core.errors import ModelUnsuitable
from pfa_core.models import appearance_of, build, copy_backbone, copy_motion
from pfa_core.nets.action import TwoStreamNet
from pfa_core.nets.triplet import TripletNet
from pfa_core.nets.vggm import ConvLayers, VggM
from tests.unit.pfa_core.every_model import KINDS, NORMS, Kind, case_of


def rgb_layers(net: nn.Module) -> ConvLayers:
    return next(p for p in net.modules() if isinstance(p, ConvLayers) and p.conv1.conv.in_channels == 3)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("target_kind", KINDS)
@pytest.mark.parametrize("source_kind", KINDS)
def test_any_backbone_goes_into_any_model_and_nothing_else_moves(
    source_kind: Kind, target_kind: Kind, norm: str
) -> None:
    source, target = (case_of(kind, norm).new(seed) for kind, seed in ((source_kind, 1), (target_kind, 2)))  # type: ignore[arg-type]  # parametrised
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    copied = copy_backbone(source, target)

    ours, theirs = rgb_layers(source).state_dict(), rgb_layers(target).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    after = target.state_dict()
    assert set(copied) <= after.keys()
    assert all(torch.equal(after[name], before[name]) for name in after.keys() - set(copied))
    has_fc6 = "pose" not in (source_kind, target_kind)
    assert any("fc6" in name for name in copied) == has_fc6
    if has_fc6:
        image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        pair = appearance_of(source).eval()(image), appearance_of(target).eval()(image)
        assert torch.equal(*pair)


def test_a_bare_backbone_can_be_given_too() -> None:
    case = case_of("triplet", "lrn")
    net = VggM(case.config.net)
    copied = copy_backbone(case.new(), net)
    assert set(copied) == net.state_dict().keys()


def test_another_crop_size_takes_the_convolutions_alone() -> None:
    case = case_of("action")
    larger = build(replace(case.config, net=replace(case.config.net, crop_px=128)))
    copied = copy_backbone(case.new(), larger)
    assert copied
    assert not any("fc6" in name for name in copied)


@pytest.mark.parametrize(
    "net", [NetConfig(width=1 / 16, crop_px=64, norm="batch"), NetConfig(width=1 / 32, crop_px=64)]
)
def test_another_width_or_normalisation_is_unsuitable(net: NetConfig) -> None:
    case = case_of("action")
    other = build(replace(case.config, net=net))
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(ModelUnsuitable, match=r"net\.width"):
        copy_backbone(case.new(), other)
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in before.items())


def lrn_model(kind: Kind) -> nn.Module:
    """With biases, which fresh models do not have."""
    source = case_of(kind, "lrn").new(1).eval()
    with torch.no_grad():
        for name, parameter in source.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
    return source


def deviation(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("kind", KINDS)
def test_batch_norm_starts_as_the_net_with_lrn_where_its_statistics_are_used(kind: Kind) -> None:
    """But for what LRN takes from neighbours, at most alpha / 5 of the sum of their squares beside k = 2."""
    source, target = lrn_model("triplet"), case_of(kind, "batch").new(2).eval()
    copied = copy_backbone(source, target)
    prefix = next(name for name, part in target.named_modules() if part is rgb_layers(target))
    assert set(copied) >= {name for name in target.state_dict() if name.startswith(f"{prefix}.")}
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    ours, theirs = rgb_layers(source), rgb_layers(target)
    with torch.no_grad():
        assert deviation(theirs(image), ours(image)) < 0.02
        if kind in ("action", "appearance"):
            assert deviation(appearance_of(target)(image), appearance_of(source)(image)) < 0.02


@pytest.mark.parametrize("fc6", [True, False])
def test_layers_without_lrn_become_the_same_function_exactly(fc6: bool) -> None:
    source, target = lrn_model("action"), case_of("action", "batch").new(2).eval()
    copy_backbone(source, target)
    ours, theirs = appearance_of(source), appearance_of(target)
    with torch.no_grad():
        if fc6:
            maps = torch.randn(2, ours.layers.out_channels, 3, 3, generator=torch.Generator().manual_seed(0))
            torch.testing.assert_close(theirs.top(maps), ours.top(maps), rtol=1e-4, atol=1e-5)
        else:
            maps = torch.randn(2, 16, 6, 6, generator=torch.Generator().manual_seed(0))
            torch.testing.assert_close(theirs.layers.conv4(maps), ours.layers.conv4(maps), rtol=1e-4, atol=1e-5)


def test_batch_norm_starts_anew_in_training_the_bias_is_nothing() -> None:
    """In training the statistics of the batch take its place: whatever the biases were, the answer is the same."""
    image = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    answers = []
    for shift in (0.0, 5.0):
        source, target = lrn_model("appearance"), case_of("pose", "batch").new(2).train()
        with torch.no_grad():
            for stage in rgb_layers(source).stages:
                assert stage.conv.bias is not None
                stage.conv.bias += shift
        copy_backbone(source, target)
        answers.append(rgb_layers(target)(image))
    torch.testing.assert_close(answers[0], answers[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_with_lrn_takes_nothing_from_batch_norm(kind: Kind) -> None:
    target = case_of(kind, "lrn").new(2)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(ModelUnsuitable, match=r"net\.norm"):
        copy_backbone(case_of("triplet", "batch").new(1), target)
    assert all(torch.equal(target.state_dict()[name], tensor) for name, tensor in before.items())


def test_the_appearance_net_is_the_one_that_sees_rgb() -> None:
    triplet = case_of("triplet").new()
    assert appearance_of(triplet) is triplet.get_submodule("appearance")
    appearance = case_of("appearance").new()
    assert appearance_of(appearance) is appearance
    assert appearance_of(case_of("action").new()).layers.conv1.conv.in_channels == 3
    two = case_of("two streams").new()
    assert isinstance(two, TwoStreamNet)
    assert appearance_of(two) is two.appearance.backbone


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["triplet", "two streams"])
def test_the_motion_net_goes_from_one_model_into_another_and_nothing_else_moves(kind: Kind, norm: str) -> None:
    source, target = case_of(kind, norm).new(1), case_of("two streams", norm).new(2)  # type: ignore[arg-type]  # parametrised
    assert isinstance(source, TripletNet | TwoStreamNet)
    assert isinstance(target, TwoStreamNet)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    copied = copy_motion(source, target)
    after = target.state_dict()
    assert all(name.startswith("motion.motion.") for name in copied)
    assert all(torch.equal(after[name], before[name]) for name in after.keys() - set(copied))
    taken = source.motion if isinstance(source, TripletNet) else source.motion.backbone
    blocks = torch.randn(2, 24, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(taken.eval()(blocks), target.motion.backbone.eval()(blocks))


def test_a_model_without_a_motion_net_gives_none_and_blocks_of_another_length_are_refused() -> None:
    case = case_of("two streams")
    assert copy_motion(case_of("action").new(), case.new()) == []
    with pytest.raises(ModelUnsuitable, match="10 flow maps"):
        copy_motion(build(replace(case.config, flow_maps=10)), case.new())


def test_a_pose_model_has_no_fc6() -> None:
    with pytest.raises(ModelUnsuitable):
        appearance_of(case_of("pose").new())
    with pytest.raises(ModelUnsuitable):
        copy_backbone(nn.Linear(1, 1), case_of("pose").new())
