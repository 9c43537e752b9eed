"""One stack for all tests of this folder, and the clips that they train on."""

from collections.abc import Iterator

import pytest

from pfa_core.synthetic import ClipSet, SceneConfig, make_clip_set
from tests.e2e.conftest import free_port
from tests.stack.stack import SERVICES, Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Built and started with nothing configured; afterwards nothing of it is left but the image."""
    made = Stack(variables={"PFA_PUBLISH": f"127.0.0.1:{free_port()}"})
    made.compose("down", "--volumes")
    try:
        made.compose("up", "--build", "--detach", timeout_s=1800)
        made.wait_until_healthy(*SERVICES)
        yield made
    finally:
        made.compose("down", "--volumes")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    """12 clips: 4 people, one of them held out, three actions."""
    return make_clip_set(
        tmp_path_factory.mktemp("clips"), num_actors=4, seed=5, config=SceneConfig(num_frames=20),
        actions=("walk", "wave_both", "squat"),
    )  # fmt: skip
