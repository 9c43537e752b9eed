"""The key of Prometheus and the password of Grafana are made without anybody's doing, and once."""

import stat
from pathlib import Path

from pfa.watch_files import make_watch_files
from pfa_store.settings import Settings
from pfa_store.store import Store


def test_files_are_made_once_and_a_revoked_key_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "watch"
    folder.mkdir()
    store = Store.open(Settings(data_dir=tmp_path / "data"))
    try:
        assert make_watch_files(folder, store) == ["metrics_key", "grafana_password"]
        secret, password = ((folder / name).read_text() for name in ("metrics_key", "grafana_password"))
        (key,) = store.keys.list()
        assert (key.name, key.scopes) == ("metrics", ("read",))
        assert store.keys.find(secret) == key
        assert len(password) >= 24
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}

        assert make_watch_files(folder, store) == []
        assert store.keys.list() == (key,)

        store.keys.revoke(key.id)
        assert make_watch_files(folder, store) == ["metrics_key"]
        renewed = store.keys.find((folder / "metrics_key").read_text())
        assert renewed is not None
        assert renewed.id != key.id
        assert (folder / "grafana_password").read_text() == password
    finally:
        store.close()
