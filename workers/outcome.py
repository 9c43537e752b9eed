"""How a runner tells its supervisor what came of the job: a small file in the attempt's folder.

The supervisor, not the runner, writes the end of a job to the database. So one process alone decides a job's state,
a finished job's process is certainly gone (its GPU memory is free), and a runner that is killed while it exits has
still said what it did. If the supervisor dies before it reads the file, the next attempt finds the published model.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pfa_core.errors import PfaError
from pfa_core.out_of_memory import out_of_memory
from pfa_store.disk import FULL, is_full
from pfa_store.errors import DiskFull
from pfa_store.files import Files

NAME = "outcome.json"

STOPPED = 75
"""Exit status of a runner that was asked to stop and wrote its checkpoint (EX_TEMPFAIL)."""
NOT_OURS = 76
"""Exit status of a runner that found the job in other hands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A result, or an error's code and message."""

    result: Mapping[str, Any] | None = None
    code: str | None = None
    message: str | None = None

    @staticmethod
    def of(error: Exception) -> "Outcome":
        """How a job ends that this error ended: what is not deliberate is named only where its user can help."""
        deliberate = error if isinstance(error, PfaError) else out_of_memory(error)
        if deliberate is not None:
            return Outcome(code=deliberate.code, message=str(deliberate))
        if is_full(error):
            return Outcome(code=DiskFull.code, message=f"{FULL} Then start the job again.")
        return Outcome(code="internal", message="An unexpected error; the job's log has the details.")

    def write(self, files: Files, folder: Path) -> None:
        """Leave it in the attempt's folder, atomically."""
        files.write_atomic(folder / NAME, json.dumps(asdict(self)).encode())

    @staticmethod
    def read(folder: Path) -> "Outcome | None":
        """What the runner left; None if it left nothing."""
        path = folder / NAME
        return Outcome(**json.loads(path.read_bytes())) if path.is_file() else None
