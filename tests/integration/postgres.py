"""A real PostgreSQL on a unix socket in a folder of its own, for the tests that run on both databases."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server."""

    socket_folder: Path

    def empty_database(self) -> str:
        """URL of the one database, emptied: that is much cheaper than a new one for every test."""
        with psycopg.connect(f"host={self.socket_folder} user=postgres", autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return f"postgresql://postgres@/postgres?host={self.socket_folder}"


def programs() -> Path | None:
    """Folder of `initdb` and `pg_ctl`, if this machine has them."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").is_file()), None)


@contextlib.contextmanager
def running(binaries: Path) -> Iterator[Postgres]:
    """Start a server and stop it at the end. It refuses to run as root, so root starts it as another user."""
    folder = Path(tempfile.mkdtemp(prefix="pfa-pg-"))
    become: list[str] = []
    if os.geteuid() == 0:
        user = "postgres" if _exists("postgres") else "nobody"
        shutil.chown(folder, user)
        become = [shutil.which("runuser") or "/usr/sbin/runuser", "-u", user, "--"]
    cluster = folder / "cluster"
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    try:
        _run([*become, str(binaries / "initdb"), "-D", str(cluster), "-U", "postgres", "--auth=trust", "-N"])
        _run(
            [
                *become,
                str(binaries / "pg_ctl"),
                "-D",
                str(cluster),
                "-w",
                "-l",
                str(folder / "log"),
                "-o",
                options,
                "start",
            ]
        )
        try:
            yield Postgres(folder)
        finally:
            _run([*become, str(binaries / "pg_ctl"), "-D", str(cluster), "-w", "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder)


def _exists(user: str) -> bool:
    return subprocess.run(["id", user], capture_output=True, check=False).returncode == 0


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, cwd="/", check=False)
    assert done.returncode == 0, command
