"""What models have learned and what they find, as pictures: the paper's figures 3 and 4, and poses over test people."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pfa_core.backbones import appearance_of
from pfa_core.clips import read_clips
from pfa_core.config.net import NetConfig
from pfa_core.config.tables import TablesConfig
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.features import features
from pfa_core.figures import closest_pairs, filters_png, grid, overlay, pairs_png
from pfa_core.images import write_png
from pfa_core.manifest import ModelConfig
from pfa_core.people import Person
from pfa_core.pose_samples import PoseSamples, cut_people
from pfa_core.predict import PosePredictor
from pfa_core.progress import run_to_end
from pfa_core.skeleton import JointSet
from pfa_core.tables.sources import TablesData
from pfa_core.untrained import untrained
from pfa_core.video.limits import DecodeLimits

MAX_COMPARED = 400
"""Most pictures among which closest pairs are looked for."""
NUM_PAIRS = 8
NUM_OVERLAYS = 8


def spread(num: int, count: int) -> list[int]:
    """`count` places spaced evenly over 0..num - 1; all of them where there are fewer."""
    return sorted({int(place) for place in np.linspace(0, num - 1, min(num, count)).round()})


def overlays_png(model: nn.Module, config: ModelConfig, people: Sequence[Person]) -> bytes:
    """Test people spaced evenly over the set, each as the network sees it, with the heatmaps and the pose found."""
    assert config.joints is not None
    device = str(next(model.parameters()).device)
    predictor = PosePredictor(model, config, device=device)
    chosen = [people[place] for place in spread(len(people), NUM_OVERLAYS)]
    samples = _cut(chosen, config.joints, torso_scale=float(config.settings["torso_scale"]), crop_px=config.net.crop_px)
    return write_png(grid([overlay(crop, predictor(crop)) for crop in samples.crops_u8], columns=4, gap_px=4))


def look_of(init: nn.Module | None, net: NetConfig, data: TablesData, config: TablesConfig) -> dict[str, bytes]:
    """`filters` (figure 3) and, where test items show enough people, `pairs` (figure 4), as PNG.

    Args:
        init: the model of an initialisation; None is the untrained network.
        net: its network.
    """
    model = untrained(UntrainedConfig(net=net), seed=config.first_seed) if init is None else init
    pictures_u8 = _pictures(data, torso_scale=config.pose.torso_scale, crop_px=net.crop_px)
    found = {"filters": filters_png(model)}
    if len(pictures_u8) >= 2:
        rows = features(appearance_of(model), torch.from_numpy(pictures_u8).permute(0, 3, 1, 2))
        pairs = closest_pairs(rows, chosen=spread(len(rows), NUM_PAIRS))
        found["pairs"] = pairs_png([(pictures_u8[a], pictures_u8[b], distance) for a, b, distance in pairs])
    return found


def _pictures(data: TablesData, *, torso_scale: float, crop_px: int) -> NDArray[np.uint8]:
    """(N, S, S, 3) test people of the first pose set; without one, the middle frames of an action set's test clips."""
    if data.pose:
        tested = data.pose[0].tested
        chosen = [tested[place] for place in spread(len(tested), MAX_COMPARED)]
        return _cut(chosen, data.pose[0].joints, torso_scale=torso_scale, crop_px=crop_px).crops_u8
    clips = (*data.action, *data.static)[0].tested
    chosen_clips = [clips[place] for place in spread(len(clips), MAX_COMPARED)]
    read, _ = run_to_end(
        read_clips(chosen_clips, short_side_px=crop_px, limits=DecodeLimits(), memory_bytes=0), lambda _: None
    )
    crops = [_centre(clip.frames_u8[len(clip.frames_u8) // 2], crop_px) for clip in read]
    return np.stack(crops) if crops else np.zeros((0, crop_px, crop_px, 3), np.uint8)


def _centre(frame_u8: NDArray[np.uint8], crop_px: int) -> NDArray[np.uint8]:
    """(H, W, 3) whose shorter side is crop_px -> its middle square."""
    top, left = (frame_u8.shape[0] - crop_px) // 2, (frame_u8.shape[1] - crop_px) // 2
    return frame_u8[top : top + crop_px, left : left + crop_px]


def _cut(people: Sequence[Person], joints: JointSet, *, torso_scale: float, crop_px: int) -> PoseSamples:
    """The crops of those people who can be cut."""
    cut = cut_people(people, joints=joints, torso_scale=torso_scale, crop_px=crop_px)
    return run_to_end(cut, lambda _: None)[0]
