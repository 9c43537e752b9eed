"""One running service for all tests of the API; each test makes its own names in it."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pfa_client import Client
from tests.integration.api import media
from tests.integration.api.service import Service, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("data")) as service:
        yield service


@pytest.fixture(scope="session")
def client(service: Service) -> Iterator[Client]:
    with service.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_left_in_production(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test puts in production answers no prediction of the next."""
    yield
    if "service" in request.fixturenames:
        models = request.getfixturevalue("service").store.models
        for version in models.list():
            if "production" in version.aliases:
                models.remove_alias(version.name, "production")


@pytest.fixture
def name() -> str:
    """A name that nobody has taken."""
    return f"n{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Real encoded clips: three that move, a still one, one of five frames, one cut off, one that is text."""
    folder = tmp_path_factory.mktemp("clips")
    made = {name: media.clip(folder / f"{name}.mp4", seed=seed) for seed, name in enumerate(("one", "two", "three"))}
    made["still"] = media.clip(folder / "still.mp4", moving=False, seed=3)
    made["short"] = media.clip(folder / "short.mp4", num_frames=5, seed=4)
    made["long"] = media.clip(folder / "long.mp4", num_frames=80, seed=5)
    made["cut"] = media.cut_off(made["one"], folder / "cut.mp4")
    made["text"] = folder / "text.mp4"
    made["text"].write_text("This is no video, whatever its name says.\n" * 50)
    made["empty"] = folder / "empty.mp4"
    made["empty"].write_bytes(b"")
    return made


@pytest.fixture
def upload(client: Client, clips: dict[str, Path]) -> Callable[..., list[str]]:
    """Upload some of the clips; their ids in that order."""

    def ids(*names: str) -> list[str]:
        return [client.upload_videos([clips[name]]).videos[0].id for name in names]

    return ids
