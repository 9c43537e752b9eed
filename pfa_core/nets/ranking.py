"""The network and the loss of pretraining by ranking. Source: Wang and Gupta, ICCV 2015, section 4.

The source feeds query, positive and negative to three towers that share their weights. Since the negatives are other
patches of the batch, each patch goes through the one network once.

Axes: B pairs, K negatives a pair, E numbers in an embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfa_core.config.net import NetConfig
from pfa_core.nets.vggm import VggM, init_weights

EMBEDDING_UNITS = 1024


class RankingNet(nn.Module):
    """VGG-M to fc6 and a layer to 1024 numbers (times the width), in which distances are taken.

    `appearance` is what a pretrained model hands on; `project` serves the training alone.

    Shape: (N, 3, crop_px, crop_px) normalised float -> (N, E).
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.appearance = VggM(config)
        self.project = nn.Linear(self.appearance.out_features, config.units(EMBEDDING_UNITS))
        init_weights(self.project)

    def forward(self, images: Tensor) -> Tensor:
        return self.project(self.appearance(images))


def cosine_distances(embeddings: Tensor) -> Tensor:
    """From each query to every patch, 1 - cosine: (2B, E), queries then positives -> (B, 2B) float32 in [0, 2].

    Also under autocast they are float32: near 0, where it counts, bf16 would leave two digits.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        unit = functional.normalize(embeddings.float(), dim=1)
        return 1 - unit[: len(unit) // 2] @ unit.T


def hard_negatives(distances: Tensor, video: Tensor, *, count: int) -> Tensor:
    """Of each query, the `count` nearest patches of other videos, which have the largest losses.

    Where there are fewer, they start over.

    Shape: (B, 2B) distances, (B,) videos -> (B, K) int64.
    """
    of = torch.cat([video, video])  # (2B,)
    same = video[:, None] == of[None, :]
    order = distances.detach().masked_fill(same, torch.inf).argsort(dim=1, stable=True)
    num_others = (~same).sum(dim=1, keepdim=True)  # (B, 1)
    rank = torch.arange(count, device=distances.device)[None, :] % num_others
    return order.gather(1, rank)


def ranking_loss(distances: Tensor, negatives: Tensor, *, margin: float) -> Tensor:
    """Mean of max(0, D(query, positive) - D(query, negative) + margin) over all pairs and their negatives.

    Shape: (B, 2B) distances, (B, K) rows -> scalar.
    """
    positive, negative = ranked(distances, negatives)
    return functional.relu(positive - negative + margin).mean()


def ranked(distances: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """The distances that are compared: (B, 1) to the positive and (B, K) to the negatives."""
    num_pairs = len(distances)
    return distances[:, num_pairs:].diagonal()[:, None], distances.gather(1, negatives)
