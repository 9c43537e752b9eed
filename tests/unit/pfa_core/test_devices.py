import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pfa_core.devices import computes_bf16, device_of, fast_in_bf16, half_type, moved, placed
from pfa_core.errors import ConfigInvalid


def test_placed_keeps_values_and_puts_channels_last() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 5), nn.Linear(2, 2))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert placed(net, torch.device("cpu")) is net
    assert net.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())


def test_moved_reaches_every_tensor_of_nested_values() -> None:
    @dataclasses.dataclass
    class Batch:
        images: Tensor
        names: list[str]

    batch = (Batch(torch.zeros(2), ["a"]), {"x": torch.ones(1)}, [torch.ones(1), 3])
    got = moved(batch, torch.device("meta"))
    assert got[0].images.device.type == "meta"
    assert got[0].names == ["a"]
    assert got[1]["x"].device.type == "meta"
    assert isinstance(got[2][0], Tensor)
    assert got[2][0].device.type == "meta"
    assert got[2][1] == 3


def test_device_of_names() -> None:
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu?", "", "meta", "cuda:99"])
def test_a_device_that_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(ConfigInvalid, match="no device"):
        device_of(name)


def test_bf16_is_used_only_where_the_processor_says_so() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    assert computes_bf16(torch.device("cpu")) == bool({"avx512_bf16", "amx_bf16"} & set(flags))


def test_training_uses_bf16_where_it_is_fast() -> None:
    """By AMX, or by AVX-512 on a processor that is not Intel's."""
    info = Path("/proc/cpuinfo").read_text()
    flags = set(info.split())
    fast = "amx_bf16" in flags or ("avx512_bf16" in flags and "GenuineIntel" not in info)
    assert fast_in_bf16(torch.device("cpu")) == fast


def test_sixteen_bits_are_those_that_are_asked_for() -> None:
    cpu = torch.device("cpu")
    assert half_type(cpu) == (torch.bfloat16 if fast_in_bf16(cpu) else None)
    assert half_type(cpu, "bf16") == torch.bfloat16
    assert half_type(cpu, "fp16") == torch.float16
