"""The objective `random`: the network that the other objectives start from, as it is. Source: paper section 4."""

from pfa_core import seeds
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.held_out import MODEL
from pfa_core.nets.vggm import VggM


def untrained(config: UntrainedConfig, *, seed: int) -> VggM:
    """An Appearance ConvNet after no step of training: the one that every objective starts from with this seed."""
    with seeds.seeded(seed, MODEL):
        return VggM(config.net)
