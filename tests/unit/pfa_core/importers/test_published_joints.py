"""What the data say of each published joint set is what jobs do with it."""

import numpy as np
import pytest

from pfa_core.importers.published_joints import NAMES, published_joints
from pfa_core.metrics import torso_diameters
from pfa_core.skeleton import COCO, FLIC, LSP


@pytest.mark.parametrize("name", NAMES)
def test_mirror_and_limbs_are_those_that_jobs_take(name: str) -> None:
    published = published_joints(name)
    joints = published.joints
    assert len(joints) == int(name.split("-")[1])
    twins = dict(published.pairs) | {right: left for left, right in published.pairs}
    assert [joints.names[i] for i in joints.mirrored] == [twins.get(joint, joint) for joint in joints.names]
    assert joints.limbs == published.limbs


@pytest.mark.parametrize("name", NAMES)
def test_the_torso_is_what_pdj_measures_by(name: str) -> None:
    published = published_joints(name)
    places = np.random.default_rng(0).uniform(0, 100, (3, len(published.joints), 2))
    first, second = (places[:, published.joints.index(joint)] for joint in published.torso)
    found = torso_diameters(places, np.ones(places.shape[:2], dtype=bool), joints=published.joints)
    np.testing.assert_allclose(found, np.hypot(*(first - second).T))


def test_the_sets_of_the_code_are_published_ones() -> None:
    assert published_joints("lsp-14").joints == LSP
    assert published_joints("coco-17").joints == COCO
    assert published_joints("flic-9").joints == FLIC
