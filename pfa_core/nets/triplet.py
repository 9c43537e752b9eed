"""The joint net of pretraining: could this motion have turned this pose into that one? Source: paper section 3.

Axes: B pairs, M flow blocks (M >= B), N negatives a pair, S crop side, F features (fc6), U hidden units.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core.config.net import NetConfig
from pfa_core.nets.split_linear import split_linear
from pfa_core.nets.vggm import FC6_UNITS, VggM, init_weights

NO, YES = 0, 1
"""Positions of the two classes in the logits."""


class TripletNet(nn.Module):
    """One Appearance ConvNet for both frames, a Motion ConvNet for the flow block, and two layers that judge them.

    Every frame's and every block's feature is computed once, and so is its part of the first layer of the head: that
    layer's weight is applied to the three inputs one by one, which equals applying it to their concatenation.
    """

    def __init__(self, config: NetConfig, *, flow_maps: int = 24) -> None:
        super().__init__()
        self.appearance = VggM(config)
        self.motion = VggM(config, in_channels=flow_maps)
        units = config.units(FC6_UNITS)
        self.joint = nn.Linear(3 * self.appearance.out_features, units)
        self.joint_norm = nn.BatchNorm1d(units) if config.norm == "batch" else None
        self.answer = nn.Linear(units, 2)
        init_weights(self.joint)
        nn.init.normal_(self.answer.weight, std=0.01)  # starts undecided: a loss of log 2
        nn.init.zeros_(self.answer.bias)

    def forward(self, first: Tensor, second: Tensor, block: Tensor, negatives: Tensor) -> Tensor:
        """Judge each pair with its own block and with others.

        Args:
            first, second: (B, 3, S, S) normalised RGB.
            block: (M, 24, S, S) flow; block i belongs to pair i.
            negatives: (B, N) int64, blocks that do not belong to the pair.

        Returns:
            (B, 1 + N, 2) logits, the pair's own block first.
        """
        num_pairs = len(first)
        poses = self.appearance(torch.cat([first, second]))  # (2B, F)
        own = torch.arange(num_pairs, device=negatives.device)
        blocks = torch.cat([own[:, None], negatives], dim=1)  # (B, 1 + N)
        return self.judge(poses[:num_pairs], poses[num_pairs:], self.motion(block), blocks)

    def judge(self, first: Tensor, second: Tensor, motion: Tensor, blocks: Tensor) -> Tensor:
        """The head alone: (B, F), (B, F) and (M, F) features, (B, N) blocks to judge -> (B, N, 2) logits."""
        of_first, of_second, change = split_linear([first, second, motion], self.joint.weight)  # (B, U) twice, (M, U)
        pair = of_first + of_second + self.joint.bias
        hidden = pair[:, None] + change[blocks]  # (B, N, U)
        if self.joint_norm is not None:
            hidden = self.joint_norm(hidden.flatten(0, 1)).view_as(hidden)
        return self.answer(functional.relu(hidden))


def pretext_loss(logits: Tensor) -> Tensor:
    """Mean softmax loss over all (pair, block) combinations; the first block of each pair is its own.

    Shape: (B, 1 + N, 2) -> scalar.
    """
    truth = torch.full(logits.shape[:2], NO, device=logits.device)
    truth[:, 0] = YES
    return functional.cross_entropy(logits.flatten(0, 1).float(), truth.flatten())
