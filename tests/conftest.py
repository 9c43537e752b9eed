"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.missing import missing

settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real videos, pose images and ground-truth flow that lies beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("PFA_TEST_DATA", default))
    if not (folder / "MANIFEST.csv").is_file():
        missing(f"the test data are not at {folder.name}: set PFA_TEST_DATA to their folder")
    return folder
