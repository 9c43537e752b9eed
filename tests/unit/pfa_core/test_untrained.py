from dataclasses import replace

import torch

from pfa_core import seeds
from pfa_core.config import pretrain, untrained
from pfa_core.config.net import NetConfig
from pfa_core.held_out import MODEL
from pfa_core.nets.ranking import RankingNet
from pfa_core.nets.triplet import TripletNet
from pfa_core.untrained import untrained as untrained_net
from tests.unit.pfa_core.objective_runs import equal

CONFIG = replace(untrained.small(), net=NetConfig(width=1 / 32, crop_px=64, norm="batch"))


def test_it_is_what_the_other_objectives_start_from() -> None:
    for seed in (0, 7):
        with seeds.seeded(seed, MODEL):
            joint = TripletNet(CONFIG.net)
        with seeds.seeded(seed, MODEL):
            ranking = RankingNet(CONFIG.net)
        net = untrained_net(CONFIG, seed=seed)
        assert equal(net, joint.appearance)
        assert equal(net, ranking.appearance)


def test_the_seed_decides_its_weights() -> None:
    torch.manual_seed(3)
    assert equal(untrained_net(CONFIG, seed=1), untrained_net(CONFIG, seed=1))
    assert not equal(untrained_net(CONFIG, seed=1), untrained_net(CONFIG, seed=2))


def test_its_network_is_pretrainings() -> None:
    assert (untrained.small().net, untrained.paper().net) == (pretrain.small().net, pretrain.paper().net)
