"""What a training run measured: rows kept in memory, in `metrics.jsonl` and in TensorBoard event files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from torch.utils.tensorboard import SummaryWriter

from pfa_core.durable import write_atomic

Row = dict[str, float]


class History:
    """The rows of one run so far. A row is `step` and the figures measured at that step.

    Every row is on its way to the disk as soon as it is added, so that a run can be watched.
    """

    def __init__(self, folder: Path | None, rows: Sequence[Row] = ()) -> None:
        """Go on from `rows`; what `metrics.jsonl` holds beyond them (work lost in a crash) is dropped.

        Without a folder nothing is written.
        """
        self.rows: list[Row] = [dict(row) for row in rows]
        self._file: BinaryIO | None = None
        self._board: SummaryWriter | None = None
        if folder is not None:
            self._open(folder)

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "metrics.jsonl"
        write_atomic(path, b"".join(_line(row) for row in self.rows))
        self._file = path.open("ab", buffering=0)
        purge = int(self.rows[-1]["step"]) + 1 if self.rows else 0
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a row."""
        row = {"step": step, **figures}
        self.rows.append(row)
        if self._file is not None and self._board is not None:
            self._file.write(_line(row))
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self) -> None:
        """Finish the files."""
        if self._file is not None and self._board is not None:
            self._board.close()
            self._file.close()


def _line(row: Row) -> bytes:
    return json.dumps(row).encode() + b"\n"
