"""The passwords of an installation of containers."""

from pathlib import Path
from urllib.parse import urlsplit

from pfa.secret_files import make_secrets


def test_every_file_that_the_containers_read_is_made(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    assert sorted(made) == sorted(path.name for path in tmp_path.iterdir())
    redis_password = (tmp_path / "redis_password").read_text()
    postgres_password = (tmp_path / "postgres_password").read_text()
    assert urlsplit((tmp_path / "pfa_broker_url").read_text()).password == redis_password
    assert urlsplit((tmp_path / "pfa_database_url").read_text()).password == postgres_password
    assert f"requirepass {redis_password}\n" in (tmp_path / "redis.conf").read_text()
    assert redis_password != postgres_password
    assert min(len(redis_password), len(postgres_password)) >= 32


def test_what_is_there_stays(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    (tmp_path / "redis.conf").unlink()
    assert make_secrets(tmp_path) == ["redis.conf"]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before


def test_two_installations_differ(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        make_secrets(tmp_path / name)
    assert (tmp_path / "one/redis_password").read_text() != (tmp_path / "other/redis_password").read_text()
