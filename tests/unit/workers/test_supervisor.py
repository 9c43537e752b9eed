"""The environment that workers and runners start with."""

from pathlib import Path

import pytest

from pfa_store.allocator import ALLOCATOR
from pfa_store.settings import Settings
from workers.supervisor import environment_of


def test_settings_and_allocator_are_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALLOCATOR:
        monkeypatch.delenv(name, raising=False)
    settings = Settings(data_dir=tmp_path, lease_s=7)
    environment = environment_of(settings)
    assert ALLOCATOR.items() <= environment.items()
    for name in environment:
        monkeypatch.setenv(name, environment[name])
    assert Settings() == settings


def test_what_the_operator_has_set_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(ALLOCATOR))
    monkeypatch.setenv(name, "65536")
    assert environment_of(Settings(data_dir=tmp_path))[name] == "65536"
