"""The training curve of a job: what its recipe writes to `metrics.jsonl` while it runs."""

import json
from pathlib import Path

from pfa_store.errors import StoreUnavailable

Row = dict[str, float]
"""`step` and the figures measured at that step."""


def read_rows(path: Path) -> list[Row]:
    """The rows so far; none before training begins. A last line that is still being written is passed over.

    Raises:
        StoreUnavailable: the file does not read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreUnavailable(f"The metrics cannot be read just now: {error.strerror}.") from error
    whole, _, _ = text.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]
