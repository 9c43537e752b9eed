"""`python -m workers.serve` as a test starts it, and the processes that belong to it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from pfa_store.settings import Settings
from tests.waiting import wait_for
from workers.supervisor import environment_of


class Service:
    """Workers for both queues; started twice, they are two of each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self._started.append(
            subprocess.Popen(
                [sys.executable, "-m", "workers.serve", "--queue", "flow,train"],
                env=environment_of(self._settings),
                cwd=Path(__file__).parents[3],
            )
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Signal it and wait until no process of it is left."""
        for process in self._started:
            process.send_signal(number)
        while self._started:
            self._started.pop().wait(60)
        wait_for(lambda: not self.processes(), what="the end of every process", timeout_s=30)

    def processes(self, needle: str = "") -> dict[int, str]:
        """Command lines by pid of its processes; see `processes_of`."""
        return processes_of(self._settings, needle)


def processes_of(settings: Settings, needle: str = "") -> dict[int, str]:
    """Command lines by pid, of all processes that were started for these settings and whose command holds `needle`."""
    found = {}
    marks = (f"PFA_DATA_DIR={settings.data_dir}\0".encode(), f"PFA_BROKER_URL={settings.broker_url}\0".encode())
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                gone = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                continue
            if all(mark in environment for mark in marks) and needle in command and not gone:
                found[int(folder.name)] = command
    return found
