"""What a supervisor hands to its runner."""

from pathlib import Path

import pytest

from pfa_store.settings import Settings
from workers.supervisor import environment_of


def test_a_child_process_has_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data_dir=Path("elsewhere"), port=9, lease_s=1.5, broker_url="redis://h/1", host="::1", auth="off"
    )
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
