"""Where a network computes, and in what precision."""

import itertools
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from pfa_core.config.net import Half
from pfa_core.errors import ConfigInvalid

B = TypeVar("B")
M = TypeVar("M", bound=nn.Module)


def device_of(name: str = "auto") -> torch.device:
    """The device of that name; `auto` is the GPU where there is one, else the CPU.

    Raises:
        ConfigInvalid: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigInvalid(f"There is no device {name!r}; use auto, cpu, cuda or cuda:<number>.") from error
    num_gpus = torch.cuda.device_count()
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and (device.index or 0) >= num_gpus):
        raise ConfigInvalid(f"There is no device {name!r}: this machine has a CPU and {num_gpus} usable GPUs.")
    return device


def computes_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 in hardware; where it does not, bf16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return device.type == "cpu" and bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def fast_in_bf16(device: torch.device) -> bool:
    """Whether networks are faster in bf16 than in float32.

    Intel's processors without AMX have the instructions, but a training step at full width takes 1.4 times as long with
    them (`benchmarks.pretrain_step`), and so do tests and predictions (`benchmarks.crops250`).
    """
    if device.type != "cpu":
        return computes_bf16(device)
    able = torch.cpu.get_capabilities()
    slow = str(able.get("cpu_name", "")).startswith("Intel") and not able.get("amx_bf16")
    return computes_bf16(device) and not slow


def half_type(device: torch.device, half: Half = "auto") -> torch.dtype | None:
    """The 16-bit type that is meant; `auto`: bf16 where it is native, else fp16 on a GPU and None on a processor."""
    if half != "auto":
        return torch.bfloat16 if half == "bf16" else torch.float16
    if fast_in_bf16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def autocast(device: torch.device, *, wanted: bool = True, half: Half = "auto") -> AbstractContextManager[Any]:
    """16 bits where they are wanted, see `half_type`, else float32."""
    dtype = half_type(device, half) if wanted else None
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)


def placed(model: M, device: torch.device) -> M:
    """The same model on `device`, its filters with channels last in memory, as the fast convolutions want them."""
    model.to(device)
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return model


def moved(batch: B, device: torch.device) -> B:
    """The same batch with its tensors on `device`: a tensor, or a dataclass, tuple, list or dict of them."""
    return cast(B, _moved(batch, device))


def _moved(value: object, device: torch.device) -> object:
    if isinstance(value, Tensor):
        return value.to(device)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{f.name: _moved(getattr(value, f.name), device) for f in fields(value)})
    if isinstance(value, dict):
        return {key: _moved(item, device) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items: list[Any] = [_moved(item, device) for item in value]
        if isinstance(value, list):
            return items
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value
