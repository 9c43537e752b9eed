"""A real server that speaks S3, in a process of its own: s3rver, which keeps its objects as files in a folder.

npm installs it once into `build/`, which git does not see.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pfa_store.settings import Settings
from tests.missing import missing
from tests.waiting import wait_for

_PACKAGE = "s3rver@3.7.1"
_HOME = Path(__file__).parents[2] / "build" / "s3rver"
_TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
"""The system's certificates, which node does not look at by itself."""


class S3:
    """A server that a test can start, stop and spoil."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = _HOME / "node_modules" / "s3rver" / "bin" / "s3rver.js"
        options = ["--address", "127.0.0.1", "--port", str(self.port), "--directory", str(self._folder), "--silent"]
        self._process = subprocess.Popen(
            ["node", str(program), *options, "--no-vhost-buckets", "--configure-bucket", "pfa"],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self._answers, what="the S3 server")

    def stop(self) -> None:
        """Kill it; its objects stay."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def settings(self, data_dir: Path, **more: object) -> Settings:
        """Of a host that uses it."""
        return Settings(
            data_dir=data_dir,
            objects_url="s3://pfa/lab",
            objects_endpoint=f"http://127.0.0.1:{self.port}",
            objects_region="us-east-1",
            objects_key_id="S3RVER",
            objects_secret_key="S3RVER",  # what s3rver knows
            min_free_bytes=0,
            **more,  # type: ignore[arg-type]  # settings of any type
        )

    def stored(self, part: str) -> list[Path]:
        """The files in which it keeps the objects whose key holds `part`."""
        every = (self._folder / "pfa" / "lab").rglob("*._S3rver_object")
        return sorted(path for path in every if part in path.as_posix())

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@contextlib.contextmanager
def s3() -> Iterator[S3]:
    """A server, running, with an empty bucket."""
    _install()
    folder = Path(tempfile.mkdtemp(prefix="pfa-s3-"))
    made = S3(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        missing("npm and node, which bring the S3 server")
    _HOME.mkdir(parents=True, exist_ok=True)
    with (_HOME / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (_HOME / "node_modules" / "s3rver").is_dir():
            command = [npm, "install", "--prefix", str(_HOME), "--silent", "--no-audit", "--no-fund", _PACKAGE]
            certificates = {"NODE_EXTRA_CA_CERTS": str(_TRUSTED)} if _TRUSTED.is_file() else {}
            environment = {**certificates, **os.environ, "npm_config_update_notifier": "false"}
            done = subprocess.run(command, check=False, env=environment)
            if done.returncode != 0:
                missing(f"{_PACKAGE}, which npm could not install")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
