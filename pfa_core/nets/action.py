"""Action ConvNet: VGG-M to fc6, then two new fully-connected layers. Source: paper section 4.3.

And two streams, of which the second sees flow, which goes beyond the paper (docs/decisions/0012-two-streams.md).

Axes: B batch, T frames or blocks of a clip, P places of crops, C classes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core.config.net import NetConfig
from pfa_core.nets.vggm import VggM, init_weights, pool1_side

Run = Callable[[Tensor], Tensor]
"""A network, or a part of one."""
Places = Sequence[tuple[int, int]]
"""(top, left) corners of crops, px."""

HIDDEN_UNITS = 2048
SHARED_STEP_PX = 4
"""conv1 and pool1 together move in steps of this many px: crops so far apart see the same cells of them."""


class _Stream(nn.Module):
    """A VGG-M to fc6 and two new layers: scores of the classes, before softmax."""

    def __init__(self, config: NetConfig, num_labels: int, *, part: str, in_channels: int) -> None:
        """`part`: the VGG-M's name in the state."""
        super().__init__()
        self._part = part
        backbone = VggM(config, in_channels=in_channels)
        self.add_module(part, backbone)
        units = config.units(HIDDEN_UNITS)
        batch_norm = config.norm == "batch"
        self.hidden = nn.Linear(backbone.out_features, units, bias=not batch_norm)
        self.hidden_norm = nn.BatchNorm1d(units) if batch_norm else None
        self.scores = nn.Linear(units, num_labels)
        init_weights(self.hidden)
        nn.init.normal_(self.scores.weight, std=0.01)  # starts at equal probabilities
        nn.init.zeros_(self.scores.bias)

    @property
    def backbone(self) -> VggM:
        """The part that a pretrained model initialises; `hidden`, `hidden_norm` and `scores` are new."""
        found = self.get_submodule(self._part)
        assert isinstance(found, VggM)
        return found

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.backbone(maps))

    def head(self, features: Tensor) -> Tensor:
        """(B, 4096 width) fc6 -> (B, C)."""
        hidden = self.hidden(features)  # (B, 2048 width)
        if self.hidden_norm is not None:
            hidden = self.hidden_norm(hidden)
        return self.scores(functional.relu(hidden))

    def score_crops(self, whole: Tensor, *, places: Places, crop_px: int) -> Tensor:
        """Scores of the same crops of every input, as `forward` gives for each.

        Where the crop allows it (`shares_first_layer`), conv1 and pool1 are computed once for all of an input's crops.

        Args:
            whole: (T, channels, H, W) normalised float.
            places: P (top, left) corners, multiples of SHARED_STEP_PX.
            crop_px: side of a crop.

        Returns:
            (P, T, C).
        """
        if shares_first_layer(crop_px):
            first = self.backbone.layers.first
            return score_shared(whole, first=first, rest=self.rest, places=places, crop_px=crop_px)
        return score_apart(whole, score=self, places=places, crop_px=crop_px)

    def rest(self, maps: Tensor) -> Tensor:
        """Everything after pool1, from its output."""
        return self.head(self.backbone.top(self.backbone.layers.rest(maps)))

    def new_layers(self) -> list[nn.Module]:
        """The two layers that `last2` trains (with the normalisation between them)."""
        return [self.hidden, self.scores] + ([] if self.hidden_norm is None else [self.hidden_norm])


class ActionNet(_Stream):
    """The Action ConvNet: classes from a frame.

    Shape: (B, 3, crop_px, crop_px) normalised float -> (B, C).
    """

    appearance: VggM

    def __init__(self, config: NetConfig, num_labels: int) -> None:
        super().__init__(config, num_labels, part="appearance", in_channels=3)


class MotionNet(_Stream):
    """The same layers over flow: classes from a flow block. Source: Simonyan and Zisserman 2014, section 3.

    Shape: (B, flow_maps, crop_px, crop_px) flow in px -> (B, C).
    """

    motion: VggM

    def __init__(self, config: NetConfig, num_labels: int, *, flow_maps: int) -> None:
        super().__init__(config, num_labels, part="motion", in_channels=flow_maps)


class TwoStreamNet(nn.Module):
    """An Action ConvNet and its like over flow, which share no weights. Source: Simonyan and Zisserman 2014, section 1.

    The paper has the first stream alone; `appearance` is built first, so that from a seed it is what it is by itself.
    """

    def __init__(self, config: NetConfig, num_labels: int, *, flow_maps: int) -> None:
        super().__init__()
        self.appearance = ActionNet(config, num_labels)
        self.motion = MotionNet(config, num_labels, flow_maps=flow_maps)

    def forward(self, images: Tensor, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) frames and (M, flow_maps, S, S) blocks, of any clips -> (B, C) and (M, C) scores."""
        return self.appearance(images), self.motion(blocks)

    def new_layers(self) -> list[nn.Module]:
        """The two layers of each stream that `last2` trains."""
        return self.appearance.new_layers() + self.motion.new_layers()


def score_shared(whole: Tensor, *, first: Run, rest: Run, places: Places, crop_px: int) -> Tensor:
    """`score_crops` where the crops share conv1 and pool1 (`first`); `rest` goes on from there. -> (P, T, C)."""
    maps, side = first(whole), pool1_side(crop_px)
    corners = [(top // SHARED_STEP_PX, left // SHARED_STEP_PX) for top, left in places]
    parts = [maps[:, :, row : row + side, column : column + side] for row, column in corners]
    return rest(torch.cat(parts)).view(len(places), len(whole), -1)


def score_apart(whole: Tensor, *, score: Run, places: Places, crop_px: int) -> Tensor:
    """`score_crops` where each crop goes through the network by itself. -> (P, T, C)."""
    scores = score(torch.cat([whole[:, :, y : y + crop_px, x : x + crop_px] for y, x in places]))
    return scores.view(len(places), len(whole), -1)


def shares_first_layer(crop_px: int) -> bool:
    """Whether pool1 of a crop ends on a whole window, so that it equals a part of pool1 of the frame."""
    conv1 = (crop_px - 7) // 2 + 1
    return (conv1 - 3) % 2 == 0
