"""`python -m pfa.secret_files FOLDER`: the passwords of an installation of containers, made once and never changed.

The services read them from a volume (`docker-compose.yml`): what PFA_SECRETS_DIR names for ours, redis.conf and
postgres_password for theirs. Whoever can read the volume can read them; no command line and no environment has them.
"""

import secrets
import sys
from pathlib import Path

from pfa_core.durable import flush, write_atomic

REDIS_CONF = """\
requirepass {password}
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


def make_secrets(folder: Path) -> list[str]:
    """Make the files that are not there yet, each complete or not at all. Returns the names of those that were made."""
    redis_password = _kept(folder / "redis_password")
    postgres_password = _kept(folder / "postgres_password")
    texts = {
        "redis_password": redis_password,
        "postgres_password": postgres_password,
        "redis.conf": REDIS_CONF.format(password=redis_password),
        "pfa_broker_url": f"redis://:{redis_password}@redis:6379/0",
        "pfa_database_url": f"postgresql+psycopg://pfa:{postgres_password}@postgres:5432/pfa",
    }
    made = [name for name in texts if not (folder / name).exists()]
    for name in made:
        write_atomic(folder / name, texts[name].encode())
        (folder / name).chmod(0o444)  # Redis and PostgreSQL read them as users of their own
    flush(folder)
    return made


def _kept(file: Path) -> str:
    return file.read_text() if file.exists() else secrets.token_urlsafe(24)


if __name__ == "__main__":
    print(f"made: {', '.join(make_secrets(Path(sys.argv[1]))) or 'nothing, all are there'}")
