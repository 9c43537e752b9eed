"""What the 250-crop test costs: `python -m benchmarks.crops250`. Prints a Markdown table.

The naive test is written as the paper describes it: 25 frames, each in ten crops, each crop through the network by
itself, in float32, of torch's own layers, memory as it comes. Ours is `ActionPredictor.look`: the crops of a frame
share conv1 and pool1, and so do their mirrors. All kinds have the same weights and take turns, five frames at a time,
in one process; the ratios are of whole tests, medians of the rounds. On a busy machine only the processor's time with
`--threads 1` means much. Random bytes stand for frames: a test costs the same.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.machine import describe
from pfa_core.config import action as presets
from pfa_core.config.action import ActionConfig
from pfa_core.crops import corner_crops, corner_places
from pfa_core.devices import placed
from pfa_core.finetune_action import action_model_config
from pfa_core.nets.action import ActionNet
from pfa_core.nets.preprocess import MEAN, STD, normalise_rgb
from pfa_core.predict import ActionPredictor, ExecutorName, Numerics
from pfa_core.seeds import seeded

LABELS = tuple(f"class {n}" for n in range(101))
FRAMES, AT_ONCE = 25, 5

Look = Callable[[Tensor], Tensor]
"""(T, 3, H, W) uint8 -> (T, 10, C) scores."""


def net_of(config: ActionConfig) -> ActionNet:
    """The same weights for all."""
    with seeded(0):
        net = ActionNet(config.net, len(LABELS)).eval()
        nn.init.normal_(net.scores.weight, std=0.05)  # so that frames differ in their answers
    return net


def naive_net(net: ActionNet) -> nn.Module:
    """The same network of torch's own layers."""
    layers = net.appearance.layers
    parts: list[nn.Module] = []
    for place, stage in enumerate((layers.conv1, layers.conv2, layers.conv3, layers.conv4, layers.conv5)):
        ours = stage.conv
        conv = nn.Conv2d(
            ours.in_channels, ours.out_channels, 7 - 2 * min(place, 2), stride=2 if place < 2 else 1,
            padding=int(place > 0),
        )  # fmt: skip
        conv.load_state_dict(ours.state_dict())
        parts += [conv, nn.ReLU()]
        if place < 2:
            parts.append(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0))
        if place in (0, 1, 4):
            parts.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
    parts += [nn.Flatten(), net.appearance.fc6, nn.ReLU(), net.hidden, nn.ReLU(), net.scores]
    return nn.Sequential(*parts).eval()


def naive(config: ActionConfig) -> Look:
    net, side = naive_net(net_of(config)), config.net.crop_px

    def look(frames_u8: Tensor) -> Tensor:
        return _looked(frames_u8, side, lambda crop: net(((crop.float() / 255 - MEAN) / STD).contiguous()), at_once=1)

    return look


def batches(config: ActionConfig, *, at_once: int) -> Look:
    """Our layers, crops by themselves."""
    net, side = net_of(config).to(memory_format=torch.channels_last), config.net.crop_px  # type: ignore[call-overload]  # torch's stubs lack it
    return lambda frames_u8: _looked(frames_u8, side, lambda crop: net(normalise_rgb(crop)), at_once=at_once)


def _looked(frames_u8: Tensor, side: int, judge: Callable[[Tensor], Tensor], *, at_once: int) -> Tensor:
    crops = corner_crops(frames_u8.permute(0, 2, 3, 1).numpy(), crop_px=side)
    rows = torch.from_numpy(crops.reshape(-1, side, side, 3)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return torch.cat([judge(part) for part in rows.split(at_once)]).view(len(crops), 10, -1)


def shared(config: ActionConfig, *, numerics: Numerics = "float32", executor: ExecutorName = "eager") -> Look:
    model_config = action_model_config(config, LABELS)
    return ActionPredictor(net_of(config), model_config, numerics=numerics, device="cpu", executor=executor).look


def shared_compiled(config: ActionConfig, *, numerics: Numerics = "float32") -> Look:
    """`shared`, mirrors too, by torch's compiler."""
    net, side = net_of(config), config.net.crop_px
    dtype = torch.bfloat16 if numerics == "bfloat16" else torch.float32
    score = torch.compile(placed(net.to(dtype), torch.device("cpu")).score_crops, dynamic=False)

    def look(frames_u8: Tensor) -> Tensor:
        places = corner_places((frames_u8.shape[2], frames_u8.shape[3]), crop_px=side)
        (bottom, right) = places[3]
        with torch.inference_mode():
            whole = normalise_rgb(frames_u8[:, :, : bottom + side, : right + side]).to(dtype)
            mirrored = [(top, right - left) for top, left in places]
            parts = [score(whole, places=places, crop_px=side), score(whole.flip(3), places=mirrored, crop_px=side)]
            return torch.cat(parts).transpose(0, 1).float()

    return look


def kinds(config: ActionConfig, *, with_compiled: bool) -> dict[str, Look]:
    found: dict[str, Look] = {
        "250 single forwards, torch's layers": naive(config),
        "250 single forwards, our layers": batches(config, at_once=1),
        "batches of 50, our layers": batches(config, at_once=50),
        "**shared first layer, float32**": shared(config),
        "**shared first layer, bf16**": shared(config, numerics="bfloat16"),
        "**shared first layer, float32, OpenVINO**": shared(config, executor="openvino"),
        "shared first layer, bf16, OpenVINO": shared(config, numerics="bfloat16", executor="openvino"),
    }
    if with_compiled:
        found["shared first layer, float32, compiled"] = shared_compiled(config)
        found["shared first layer, bf16, compiled"] = shared_compiled(config, numerics="bfloat16")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="also with torch.compile, which takes a C++ compiler")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = presets.paper()
    print(f"{describe()}; {options.threads} threads, {options.rounds} rounds, {FRAMES} frames of 320x240\n", flush=True)
    rng = np.random.default_rng(0)
    frames = torch.from_numpy(rng.integers(0, 256, (FRAMES, 240, 320, 3), dtype=np.uint8)).permute(0, 3, 1, 2)
    looks = kinds(config, with_compiled=options.compile)
    for look in looks.values():
        look(frames[:AT_ONCE])  # to warm up, and to compile for batches of this size
    wall: dict[str, list[float]] = {name: [0.0] * options.rounds for name in looks}
    cpu: dict[str, list[float]] = {name: [0.0] * options.rounds for name in looks}
    found: dict[str, list[Tensor]] = {name: [] for name in looks}
    for number in range(options.rounds):
        for part in frames.split(AT_ONCE):
            for name, look in looks.items():
                began = time.perf_counter(), time.process_time()
                scores = look(part)
                wall[name][number] += time.perf_counter() - began[0]
                cpu[name][number] += time.process_time() - began[1]
                if number == 0:
                    found[name].append(scores)
    _print(wall, cpu, {name: torch.cat(parts) for name, parts in found.items()})
    print(f"\nAt the end: {describe()}")


def _print(wall: dict[str, list[float]], cpu: dict[str, list[float]], found: dict[str, Tensor]) -> None:
    first, *_ = wall
    print("| test | s | s (CPU) | x faster | x faster (CPU) | worst, best | error of scores | of probabilities |")
    print("|---|---|---|---|---|---|---|---|")
    exact = found[first]
    for name, walls in wall.items():
        ratios = [slow / fast for slow, fast in zip(cpu[first], cpu[name], strict=True)]
        by_wall = statistics.median(slow / fast for slow, fast in zip(wall[first], walls, strict=True))
        error = float((found[name] - exact).norm() / exact.norm())
        means = [scores.flatten(0, 1).softmax(dim=1).mean(dim=0) for scores in (found[name], exact)]
        print(
            f"| {name} | {statistics.median(walls):.1f} | {statistics.median(cpu[name]):.1f} | {by_wall:.1f} "
            f"| {statistics.median(ratios):.1f} | {min(ratios):.1f}, {max(ratios):.1f} | {error:.1e} "
            f"| {float((means[0] - means[1]).abs().max()):.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
