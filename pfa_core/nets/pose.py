"""Pose ConvNet: conv1 to conv5 of VGG-M, one transposed convolution, 1 x 1 convolutions to one heatmap per joint.

Source: paper section 4.2 and figure 5. The paper does not give the transposed convolution's kernel or channels. Here
the kernel is 8 wide at stride 4 with padding 2: the output is exactly 4 times as large, every cell gets the same
number of contributions (no checkerboard), and output cell o sits at (o + 1/2) / 4 - 1/2 of the input. It has half of
conv5's channels: 256 at width 1.

Axes: B batch, K joints.
"""

import math

from torch import Tensor, nn
from torch.nn import functional

from pfa_core.config.net import NetConfig
from pfa_core.nets.vggm import ConvLayers, conv5_side, init_weights

UPSCALE = 4
_KERNEL = 2 * UPSCALE
DECONV_CHANNELS = 256


class PoseNet(nn.Module):
    """One heatmap per joint: about +1 at the joint, about -1 elsewhere.

    `layers` is the part that a pretrained model initialises; `deconv`, `deconv_norm` and `heatmaps` are new.

    Shape: (B, 3, crop_px, crop_px) normalised float -> (B, K, c, c) with c = heatmap_side(crop_px): 256 px -> 60.
    """

    def __init__(self, config: NetConfig, num_joints: int) -> None:
        super().__init__()
        channels = config.units(DECONV_CHANNELS)
        batch_norm = config.norm == "batch"
        self.layers = ConvLayers(config)
        self.deconv = nn.ConvTranspose2d(
            self.layers.out_channels, channels, _KERNEL, stride=UPSCALE, padding=UPSCALE // 2, bias=not batch_norm
        )
        self.deconv_norm = nn.BatchNorm2d(channels) if batch_norm else None
        self.heatmaps = nn.Conv2d(channels, num_joints, 1)
        init_weights(self)
        self._init_head()

    def forward(self, images: Tensor) -> Tensor:
        maps = self.deconv(self.layers(images))  # (B, 256 width, 60, 60) for a 256 crop
        if self.deconv_norm is not None:
            maps = self.deconv_norm(maps)
        return self.heatmaps(functional.relu(maps))

    def _init_head(self) -> None:
        """He initialisation by the inputs that one output cell really sees; heatmaps start near 0.

        An output cell of the transposed convolution sums (kernel / stride) ** 2 input cells. Zero is the best constant
        answer to the rebalanced loss.
        """
        seen = self.deconv.in_channels * (_KERNEL // UPSCALE) ** 2
        nn.init.normal_(self.deconv.weight, std=math.sqrt(2.0 / seen))
        nn.init.normal_(self.heatmaps.weight, std=0.01)


def heatmap_side(crop_px: int) -> int:
    """Side of a heatmap, in cells: 60 for a 256 crop, 28 for 128."""
    return UPSCALE * conv5_side(crop_px)
