"""A sweep that dies: `python -m tests.integration.store.killed_sweep DATA_DIR DATABASE_URL NOW_S NTH`.

It kills itself, as nothing else can be stopped at, the moment before its NTH change of the data folder.
"""

import os
import signal
import sys
from pathlib import Path

from pfa_store.settings import Settings
from pfa_store.store import Store

CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "shutil.rmtree"})


def main() -> None:
    folder, url, now_s, nth = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    settings = Settings(data_dir=folder, database_url=url, keep_checkpoints_days=1, min_free_bytes=0)
    store = Store.open(settings, clock=lambda: now_s)
    left = nth

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in CHANGES and str(folder) in str(arguments[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    for _ in store.garbage_collection().all():
        pass
    store.close()


if __name__ == "__main__":
    main()
