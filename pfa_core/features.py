"""fc6 features of many crops."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.nets.vggm import VggM


def features(net: VggM, images_u8: Tensor, *, batch_size: int = 64) -> NDArray[np.float32]:
    """The pose feature of each image, after the ReLU, without dropout. Source: paper section 4.1.

    Args:
        images_u8: (N, 3, S, S) uint8 RGB, S the network's crop_px.

    Returns:
        (N, 4096 width) float32.
    """
    device = net.fc6.weight.device
    found = np.empty((len(images_u8), net.out_features), np.float32)
    was_training = net.training
    net.eval()
    try:
        with torch.inference_mode():
            for start in range(0, len(images_u8), batch_size):
                batch = normalise_rgb(images_u8[start : start + batch_size].to(device))
                found[start : start + len(batch)] = net(batch).float().cpu().numpy()
    finally:
        net.train(was_training)
    return found
