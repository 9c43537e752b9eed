"""`python -m workers.health`: what a container's healthcheck learns."""

import os
import socket
import subprocess
import sys

from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.workers.service import Service
from tests.waiting import wait_for
from workers.supervisor import environment_of


def health(settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers.health"],
        env={**os.environ, **environment_of(settings)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_host_without_workers_is_unhealthy(store: Store, settings: Settings) -> None:
    store.workers.enter("flow", host="elsewhere", pid=1, version="1")
    assert health(settings).returncode == 1


def test_a_host_is_healthy_while_its_workers_are_there(store: Store, settings: Settings, service: Service) -> None:
    service.start()
    wait_for(lambda: len(store.workers.list()) == 2 or None, what="both workers", timeout_s=60)
    assert health(settings).returncode == 0
    service.stop()
    assert health(settings).returncode == 1


def test_a_worker_that_fell_silent_is_unhealthy(store: Store, settings: Settings) -> None:
    before = store.clock() - 2 * settings.lease_s
    old = Store.open(settings, clock=lambda: before)
    old.workers.enter("flow", host=socket.gethostname(), pid=1, version="1")
    old.close()
    done = health(settings)
    assert (done.returncode, done.stdout) == (1, "flow lost\n")


def test_a_database_that_does_not_answer_is_unhealthy(settings: Settings) -> None:
    broken = settings.model_copy(update={"database_url": f"postgresql://nobody@/none?host={settings.data_dir}"})
    done = health(broken)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr
