"""Action ConvNet: VGG-M to fc6, then two new fully-connected layers. Source: paper section 4.3.

Axes: B batch, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core.config.net import NetConfig
from pfa_core.nets.vggm import VggM, init_weights, pool1_side

HIDDEN_UNITS = 2048
SHARED_STEP_PX = 4
"""conv1 and pool1 together move in steps of this many px: crops so far apart see the same cells of them."""


class ActionNet(nn.Module):
    """Scores of the classes, before softmax.

    `appearance` is the part that a pretrained model initialises; `hidden`, `hidden_norm` and `scores` are new.

    Shape: (B, 3, crop_px, crop_px) normalised float -> (B, C).
    """

    def __init__(self, config: NetConfig, num_labels: int) -> None:
        super().__init__()
        units = config.units(HIDDEN_UNITS)
        batch_norm = config.norm == "batch"
        self.appearance = VggM(config)
        self.hidden = nn.Linear(self.appearance.out_features, units, bias=not batch_norm)
        self.hidden_norm = nn.BatchNorm1d(units) if batch_norm else None
        self.scores = nn.Linear(units, num_labels)
        init_weights(self.hidden)
        nn.init.normal_(self.scores.weight, std=0.01)  # starts at equal probabilities
        nn.init.zeros_(self.scores.bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.appearance(images))

    def head(self, features: Tensor) -> Tensor:
        """(B, 4096 width) fc6 -> (B, C)."""
        hidden = self.hidden(features)  # (B, 2048 width)
        if self.hidden_norm is not None:
            hidden = self.hidden_norm(hidden)
        return self.scores(functional.relu(hidden))

    def score_crops(self, frames: Tensor, *, places: Sequence[tuple[int, int]], crop_px: int) -> Tensor:
        """Scores of the same crops of every frame, as `forward` gives for each, with conv1 and pool1 computed once.

        Args:
            frames: (T, 3, H, W) normalised float.
            places: P (top, left) corners, multiples of SHARED_STEP_PX.
            crop_px: one for which `shares_first_layer` holds.

        Returns:
            (P T, C), the crops of the first place first.
        """
        maps, side = self.appearance.layers.first(frames), pool1_side(crop_px)
        corners = [(top // SHARED_STEP_PX, left // SHARED_STEP_PX) for top, left in places]
        parts = [maps[:, :, row : row + side, column : column + side] for row, column in corners]
        return self.head(self.appearance.top(self.appearance.layers.rest(torch.cat(parts))))

    def new_layers(self) -> list[nn.Module]:
        """The two layers that `last2` trains (with the normalisation between them)."""
        return [self.hidden, self.scores] + ([] if self.hidden_norm is None else [self.hidden_norm])


def shares_first_layer(crop_px: int) -> bool:
    """Whether pool1 of a crop ends on a whole window, so that it equals a part of pool1 of the frame."""
    conv1 = (crop_px - 7) // 2 + 1
    return (conv1 - 3) % 2 == 0
