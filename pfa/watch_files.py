"""`python -m pfa.watch_files FOLDER`: what Prometheus and Grafana need to watch an installation of containers.

Made where it is missing: `metrics_key`, an API key of scope `read`, and `grafana_password`. The folder is a volume of
its own (docker/compose.observability.yml), so that neither of them sees the passwords of database and broker.
"""

import secrets
import sys
from pathlib import Path

from pfa_core.durable import flush, write_atomic
from pfa_store.settings import Settings
from pfa_store.store import Store

KEY_NAME = "metrics"


def make_watch_files(folder: Path, store: Store) -> list[str]:
    """Make the files that are not there, and a new key where the old one is no longer known. Returns their names.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    made: list[str] = []
    key_file = folder / "metrics_key"
    if not key_file.exists() or store.keys.find(key_file.read_text().strip()) is None:
        _, secret = store.keys.create(KEY_NAME, ["read"])
        _write(key_file, secret, made)
    if not (folder / "grafana_password").exists():
        _write(folder / "grafana_password", secrets.token_urlsafe(24), made)
    flush(folder)
    return made


def _write(file: Path, text: str, made: list[str]) -> None:
    write_atomic(file, text.encode())
    file.chmod(0o444)  # Prometheus and Grafana read them as users of their own
    made.append(file.name)


if __name__ == "__main__":
    opened = Store.open(Settings(), migrate=False)
    try:
        print(f"made: {', '.join(make_watch_files(Path(sys.argv[1]), opened)) or 'nothing, all are there'}")
    finally:
        opened.close()
