"""Batch norm over what several processes hold of one batch.

torch's own (SyncBatchNorm) exists for GPUs only; this one asks nothing of the device.

Axes: B batch, C channels, H rows, W columns.
"""

from typing import Self

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SharedBatchNorm(_BatchNorm):
    """`nn.BatchNorm1d` and `nn.BatchNorm2d`, with the statistics of the batch that all ranks hold together.

    Every rank must hold equally many values. Its parameters and buffers are named as theirs.

    Shape: (B, C) or (B, C, H, W), any float dtype, to the same.
    Source: Ioffe and Szegedy 2015, algorithm 1.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Self:
        """The same norm, with the same tensors."""
        shared = cls(norm.num_features, eps=norm.eps, momentum=norm.momentum, device="meta")
        shared.weight, shared.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            setattr(shared, name, buffer)
        return shared

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training:
            return super().forward(maps)
        over = [0, *range(2, maps.ndim)]
        shape = [1, -1] + [1] * (maps.ndim - 2)
        values = maps.float()
        mean = _mean_of_ranks(values.mean(over))  # (C,)
        centred = values - mean.view(shape)
        variance = _mean_of_ranks(centred.square().mean(over))  # (C,)
        self._follow(mean.detach(), variance.detach(), count=values.numel() // len(mean) * distributed.get_world_size())
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(maps.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, *, count: int) -> None:
        """Move the running statistics; that of the variance is unbiased, over the `count` values of a channel."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        self.num_batches_tracked += 1

    def _check_input_dim(self, input: Tensor) -> None:
        assert input.ndim in (2, 4)


def share_norms(model: nn.Module) -> None:
    """Replace every batch norm of the model by one over all ranks; its `state_dict` stays the same."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(module, name, SharedBatchNorm.of(child))


def _mean_of_ranks(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]  # torch leaves it so
    return total / distributed.get_world_size()


class _Sum(torch.autograd.Function):
    """The sum over all ranks; backward, every rank's loss counts."""

    @staticmethod
    def forward(_: object, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: object, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total
