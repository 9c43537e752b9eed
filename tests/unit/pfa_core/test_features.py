import numpy as np
import pytest
import torch

from pfa_core.features import features
from pfa_core.models import appearance_of
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.nets.vggm import VggM
from tests.unit.pfa_core.every_model import CROP_PX, case_of


@pytest.fixture(scope="module")
def net() -> VggM:
    return appearance_of(case_of("triplet").new()).train()


def images(num: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (num, 3, CROP_PX, CROP_PX), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_each_feature_is_that_of_its_image_alone(net: VggM, batch_size: int) -> None:
    found = features(net, images(5), batch_size=batch_size)
    assert net.training  # as it was
    assert found.shape == (5, net.out_features)
    assert found.dtype == np.float32
    with torch.no_grad():
        net.eval()
        expected = torch.cat([net(normalise_rgb(image[None])) for image in images(5)])
        net.train()
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_no_image_gives_no_feature(net: VggM) -> None:
    assert features(net, images(0)).shape == (0, net.out_features)
