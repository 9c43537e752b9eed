"""`python -m workers.health`: exit status 0 while a worker of this host is there; a container's healthcheck."""

import socket
import sys

from pfa_store.errors import StoreUnavailable
from pfa_store.settings import Settings
from pfa_store.store import Store


def main() -> int:
    """Say which workers of this host have been seen within the lease; 1 when there is none."""
    try:
        store = Store.open(Settings(), migrate=False)
        here = [worker for worker in store.workers.list() if worker.host == socket.gethostname()]
        store.close()
    except StoreUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    for worker in here:
        print(f"{worker.queue} {worker.status} {worker.job_id or ''}".rstrip())
    return 0 if any(worker.status != "lost" for worker in here) else 1


if __name__ == "__main__":
    sys.exit(main())
