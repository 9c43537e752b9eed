"""How well the pretext question is answered on videos that were not learned from. Source: paper section 3.

Axes: B pairs, N negatives a pair.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pfa_core import seeds
from pfa_core.config.pretrain import PretrainConfig
from pfa_core.cuts import cut_blocks, cut_frames
from pfa_core.frame_store import FrameStore
from pfa_core.nets.preprocess import normalise_flow, normalise_rgb
from pfa_core.nets.triplet import NO, YES
from pfa_core.triplets import choose_negatives, draw_triplets, other_time


def pretext_test(
    net: nn.Module, store: FrameStore, config: PretrainConfig, *, key: tuple[int, ...]
) -> dict[str, float]:
    """Judge about `val_triplets` positives, the same ones for the same key, without augmentation.

    Returns:
        `accuracy` over all (pair, block) combinations and `chance`, which always answering no reaches; `auc` of the
        score against other videos' blocks; `loss`; and `same_video_auc`, where the other blocks are of the same video
        and place at another time: it tells reading motion from recognising scenes.
    """
    size = config.learn.batch_size
    num_batches = -(-config.val_triplets // size)
    count = max(2, -(-config.val_triplets // num_batches))
    found = [_judge(net, store, config, count=count, rng=seeds.generator(*key, i)) for i in range(num_batches)]
    return figures(torch.cat(found))


def figures(logits: Tensor) -> dict[str, float]:
    """(B, 1 + N + 1, 2) logits: the pair's own block, N of other videos, one of the same video -> the figures."""
    score = (logits[..., YES] - logits[..., NO]).double()  # (B, 1 + N + 1)
    own, others, same = score[:, 0], score[:, 1:-1], score[:, -1]
    num_right = int((own > 0).sum()) + int((others <= 0).sum())
    loss = functional.softplus(-own).sum() + functional.softplus(others).sum()
    num_judged = own.numel() + others.numel()
    return {
        "accuracy": num_right / num_judged,
        "chance": others.numel() / num_judged,
        "auc": auc(own.numpy(), others.flatten().numpy()),
        "loss": loss.item() / num_judged,
        "same_video_auc": auc(own.numpy(), same.numpy()),
    }


def auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Probability that a positive scores above a negative; ties count half (Mann and Whitney 1947)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).mean() / 2 / len(negative))


def _judge(
    net: nn.Module, store: FrameStore, config: PretrainConfig, *, count: int, rng: np.random.Generator
) -> Tensor:
    """One batch: (B, 1 + N + 1, 2) float32 logits on the CPU."""
    device = next(net.parameters()).device
    side, gap = config.net.crop_px, config.gap_frames
    triplets = draw_triplets(store, config, count=count, rng=rng, augment=False)
    negatives = choose_negatives(np.array([t.video for t in triplets]), count=config.num_negatives, rng=rng)
    later = [other_time(t, num_frames=store.num_frames[t.video], gap=gap, rng=rng) for t in triplets]
    first, second = cut_frames(store, triplets, side=side, gap=gap)
    blocks = cut_blocks(store, [*triplets, *later], side=side, gap=gap)
    judged = np.concatenate([negatives, count + np.arange(count)[:, None]], axis=1)
    logits = net(
        normalise_rgb(first.to(device)),
        normalise_rgb(second.to(device)),
        normalise_flow(blocks.to(device), bound_px=config.pack.bound_px),
        torch.from_numpy(judged).to(device),
    )
    return logits.float().cpu()
