"""The environment that workers and runners start with."""

from pathlib import Path

import pytest

from pfa_store.settings import Settings
from pfa_store.tuning import TUNING
from workers.supervisor import environment_of


def test_a_child_process_has_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data_dir=Path("elsewhere"), port=9, lease_s=1.5, broker_url="redis://h/1", host="::1", auth="off"
    )
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_the_tuning_is_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TUNING:
        monkeypatch.delenv(name, raising=False)
    assert TUNING.items() <= environment_of(Settings(data_dir=tmp_path)).items()


def test_what_the_operator_has_set_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(iter(TUNING))
    monkeypatch.setenv(name, "65536")
    assert environment_of(Settings(data_dir=tmp_path))[name] == "65536"


def test_the_environment_of_another_celery_overrules_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery prefers these to what it was told."""
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere:1/0")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://elsewhere:1/1")
    environment = environment_of(Settings(data_dir=tmp_path, broker_url="redis://host:1/0"))
    assert [name for name in environment if name.startswith("CELERY_")] == []
