"""VGG-M to fc6, the backbone of every network here.

Sources: Chatfield et al. 2014 ("CNN-M"), with Caffe's pooling, which rounds sizes up; paper section 3, Implementation
Details.

Axes: B batch, C channels, H rows, W columns.
"""

from torch import Tensor, nn
from torch.nn import functional

from pfa_core.config.net import NetConfig
from pfa_core.nets.local_response import local_response

CONV_CHANNELS = (96, 256, 512, 512, 512)
FC6_UNITS = 4096


class _Stage(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, conv: nn.Conv2d, *, config: NetConfig, local: bool) -> None:
        super().__init__()
        self.conv = conv
        self.norm = nn.BatchNorm2d(conv.out_channels) if config.norm == "batch" else None
        self.local = local and config.norm == "lrn"

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.conv(maps)
        if self.norm is not None:
            maps = self.norm(maps)
        maps = functional.relu(maps)
        return local_response(maps) if self.local else maps


def _pool(maps: Tensor) -> Tensor:
    """3 x 3 maximum, stride 2, sizes rounded up as Caffe does."""
    return functional.max_pool2d(maps, 3, stride=2, ceil_mode=True)


class ConvLayers(nn.Module):
    """conv1 to conv5.

    Shape: (B, C, S, S) -> (B, 512 width, s, s); for width 1: S = 224 -> s = 13, S = 256 -> s = 15.
    """

    def __init__(self, config: NetConfig, *, in_channels: int = 3) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (config.units(full) for full in CONV_CHANNELS)
        bias = config.norm == "lrn"
        self.conv1 = _Stage(nn.Conv2d(in_channels, c1, 7, stride=2, bias=bias), config=config, local=True)
        self.conv2 = _Stage(nn.Conv2d(c1, c2, 5, stride=2, padding=1, bias=bias), config=config, local=True)
        self.conv3 = _Stage(nn.Conv2d(c2, c3, 3, padding=1, bias=bias), config=config, local=False)
        self.conv4 = _Stage(nn.Conv2d(c3, c4, 3, padding=1, bias=bias), config=config, local=False)
        self.conv5 = _Stage(nn.Conv2d(c4, c5, 3, padding=1, bias=bias), config=config, local=False)
        self.out_channels = c5

    @property
    def stages(self) -> tuple["_Stage", ...]:
        """conv1 to conv5, in order."""
        return (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5)

    def forward(self, images: Tensor) -> Tensor:
        return self.rest(self.first(images))

    def first(self, images: Tensor) -> Tensor:
        """conv1 and pool1: one cell for every 4 x 4 px, from an image of any size."""
        return _pool(self.conv1(images))

    def rest(self, maps: Tensor) -> Tensor:
        """conv2 to conv5, from pool1's output."""
        maps = _pool(self.conv2(maps))
        return self.conv5(self.conv4(self.conv3(maps)))


class VggM(nn.Module):
    """VGG-M to fc6, after its ReLU and dropout: a pose feature for a frame, a motion feature for a flow block.

    Shape: (B, C, crop_px, crop_px) normalised float -> (B, 4096 width).
    """

    def __init__(self, config: NetConfig, *, in_channels: int = 3) -> None:
        super().__init__()
        self.layers = ConvLayers(config, in_channels=in_channels)
        self.out_features = config.units(FC6_UNITS)
        side = pool5_side(config.crop_px)
        self.fc6 = nn.Linear(self.layers.out_channels * side * side, self.out_features, bias=config.norm == "lrn")
        self.fc6_norm = nn.BatchNorm1d(self.out_features) if config.norm == "batch" else None
        self.dropout = nn.Dropout(config.dropout)
        init_weights(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.top(self.layers(images))

    def top(self, maps: Tensor) -> Tensor:
        """pool5 and fc6, from conv5's output."""
        maps = _pool(maps)  # (B, 512 width, 6, 6) for a 224 crop
        feature = self.fc6(maps.flatten(1))
        if self.fc6_norm is not None:
            feature = self.fc6_norm(feature)
        return self.dropout(functional.relu(feature))


def pool1_side(crop_px: int) -> int:
    """Side of pool1's output, in cells, for a square input of `crop_px`."""
    return _pooled((crop_px - 7) // 2 + 1)


def conv5_side(crop_px: int) -> int:
    """Side of conv5's output, in cells, for a square input of `crop_px`."""
    conv2 = (pool1_side(crop_px) + 2 - 5) // 2 + 1
    return _pooled(conv2)


def pool5_side(crop_px: int) -> int:
    """Side of pool5's output, in cells, for a square input of `crop_px`."""
    return _pooled(conv5_side(crop_px))


def _pooled(side: int) -> int:
    return -((side - 3) // -2) + 1  # ceil((side - 3) / 2) + 1


def init_weights(module: nn.Module) -> None:
    """He initialisation of every convolution and linear layer; biases start at zero.

    With it the LRN variant starts learning, where Caffe's fixed standard deviation of 0.01 stalls at reduced width.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
