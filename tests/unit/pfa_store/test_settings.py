"""Settings come from the environment, and a public service is never open by mistake."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pfa_store.settings import Settings, is_loopback


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("10.0.0.1", False), ("example.org", False), ("", False)],
)  # fmt: skip
def test_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) == local
    if local:
        assert Settings(host=host, auth="off").auth == "off"
    else:
        with pytest.raises(ValidationError, match="loopback"):
            Settings(host=host, auth="off")


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PFA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PFA_LEASE_S", "7.5")
    monkeypatch.delenv("PFA_DATABASE_URL", raising=False)
    settings = Settings()
    assert (settings.data_dir, settings.lease_s) == (tmp_path, 7.5)
    assert settings.sqlalchemy_url == f"sqlite:///{tmp_path / 'pfa.sqlite3'}"
    monkeypatch.setenv("PFA_DATABASE_URL", "postgresql://u@h/d")
    assert Settings().sqlalchemy_url == "postgresql://u@h/d"


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_a_folder_of_secrets_gives_what_the_environment_does_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pfa_broker_url").write_text("redis://:secret@host:6379/0\n")
    (tmp_path / "pfa_lease_s").write_text("7.5")
    monkeypatch.setenv("PFA_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("PFA_LEASE_S", "9")
    monkeypatch.delenv("PFA_BROKER_URL", raising=False)
    settings = Settings()
    assert (settings.broker_url, settings.lease_s) == ("redis://:secret@host:6379/0", 9)


def test_a_folder_of_secrets_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PFA_SECRETS_DIR", str(tmp_path / "gone"))
    with pytest.raises(ValidationError, match="there is no folder"):
        Settings()
