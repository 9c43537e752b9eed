from dataclasses import replace

import numpy as np

from pfa_core import seeds
from pfa_core.config import pretrain as presets
from pfa_core.config.net import NetConfig
from pfa_core.figures import filters_sheet
from pfa_core.frame_store import FrameStore
from pfa_core.nets.triplet import TripletNet
from pfa_core.pretext_figures import NUM_PAIRS, PretextFigures
from tests.unit.pfa_core.moving_clips import BOUND_PX, dancing_clip


def test_the_same_crops_are_drawn_every_time() -> None:
    base = presets.small()
    config = replace(
        base,
        net=NetConfig(width=1 / 16, crop_px=64, norm="batch"),
        pack=replace(base.pack, short_side_px=64, bound_px=BOUND_PX),
    )
    store = FrameStore([dancing_clip(seed) for seed in range(3)])
    with seeds.seeded(1):
        net = TripletNet(config.net).eval()
    first = PretextFigures(store, config, key=(1, 2))(net)
    again = PretextFigures(store, config, key=(1, 2))(net)
    other = PretextFigures(store, config, key=(1, 3))(net)

    assert first.keys() == {"filters", "pairs"}
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert np.array_equal(first["filters"], filters_sheet(net))
    assert not np.array_equal(first["pairs"], other["pairs"])
    # Two pairs a row, each 2 x 128 wide and 128 + 20 high, 10 px between all.
    assert first["pairs"].shape == (10 + NUM_PAIRS // 2 * (148 + 10), 10 + 2 * (256 + 10), 3)
    assert not net.training
