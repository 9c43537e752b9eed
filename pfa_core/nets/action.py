"""Action ConvNet: VGG-M to fc6, then two new fully-connected layers. Source: paper section 4.3.

Axes: B batch, C classes.
"""

from torch import Tensor, nn
from torch.nn import functional

from pfa_core.config.net import NetConfig
from pfa_core.nets.vggm import VggM, init_weights

HIDDEN_UNITS = 2048


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
        hidden = self.hidden(self.appearance(images))  # (B, 2048 width)
        if self.hidden_norm is not None:
            hidden = self.hidden_norm(hidden)
        return self.scores(functional.relu(hidden))

    def new_layers(self) -> list[nn.Module]:
        """The two layers that `last2` trains (with the normalisation between them)."""
        return [self.hidden, self.scores] + ([] if self.hidden_norm is None else [self.hidden_norm])
