"""What action models minimise: the softmax loss of each stream.

Axes: B batch, C classes.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from pfa_core.action_batches import ActionBatch, TwoStreamBatch
from pfa_core.config.action import ActionConfig
from pfa_core.nets.preprocess import normalise_flow, normalise_rgb

Judged = tuple[Tensor, dict[str, Tensor]]


def loss_of(config: ActionConfig) -> Callable[[nn.Module, ActionBatch | TwoStreamBatch], Judged]:
    """The loss of a batch, and the share that is right: `accuracy`, or `appearance_accuracy` and `motion_accuracy`."""
    return partial(_loss, bound_px=config.motion.pack.bound_px)


def _loss(model: nn.Module, batch: ActionBatch | TwoStreamBatch, *, bound_px: float) -> Judged:
    """Of two streams, the sum of their losses: as they share no weights, each learns from its own alone."""
    if isinstance(batch, ActionBatch):
        loss, right = _judged(model(normalise_rgb(batch.crops_u8)), batch.labels)
        return loss, {"accuracy": right}
    frames, blocks = batch.frames, batch.blocks
    images, flow = normalise_rgb(frames.crops_u8), normalise_flow(blocks.blocks_i8, bound_px=bound_px)
    by_appearance, by_motion = model(images, flow)
    loss, right = _judged(by_appearance, frames.labels)
    motion_loss, motion_right = _judged(by_motion, blocks.labels)
    return loss + motion_loss, {"appearance_accuracy": right, "motion_accuracy": motion_right}


def _judged(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of (B, C) scores, and the share that is right."""
    scores = scores.float()
    right = (scores.argmax(dim=1) == labels).float().mean()
    return functional.cross_entropy(scores, labels), right.detach()
