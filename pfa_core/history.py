"""What a training run measured: rows kept in memory, in `metrics.jsonl` and in TensorBoard event files.

How long it took goes to `times.jsonl` and TensorBoard only: a run that was stopped and resumed has the same rows as one
that was not, but not the same times.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from pfa_core.durable import write_atomic
from pfa_core.images import write_png

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
        self._files = None if folder is None else _Files(folder, self.rows)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a row."""
        row = {"step": step, **figures}
        self.rows.append(row)
        if self._files is not None:
            self._files.add(row)

    def add_times(self, step: int, times: Mapping[str, float]) -> None:
        """Note how long the steps up to this one took."""
        if self._files is not None:
            self._files.add_times(step, times)

    def add_images(self, step: int, images: Mapping[str, NDArray[np.uint8]]) -> None:
        """Show pictures, (H, W, 3) RGB: all of them in TensorBoard, the latest of each name in `figures/`."""
        if self._files is not None:
            self._files.add_images(step, images)

    def close(self) -> None:
        """Finish the files."""
        if self._files is not None:
            self._files.close()


class _Files:
    """Where a run's history is written."""

    def __init__(self, folder: Path, rows: Sequence[Row]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._figures = folder / "figures"
        path = folder / "metrics.jsonl"
        write_atomic(path, b"".join(_line(row) for row in rows))
        self._rows = path.open("ab", buffering=0)
        purge = int(rows[-1]["step"]) + 1 if rows else 0
        self._times = (folder / "times.jsonl").open("ab", buffering=0)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)

    def add(self, row: Row) -> None:
        self._rows.write(_line(row))
        for name, value in row.items():
            if name != "step":
                self._board.add_scalar(name, value, int(row["step"]))
        self._board.flush()

    def add_times(self, step: int, times: Mapping[str, float]) -> None:
        self._times.write(_line({"step": step, **times}))
        for name, value in times.items():
            self._board.add_scalar(f"time/{name}", value, step)

    def add_images(self, step: int, images: Mapping[str, NDArray[np.uint8]]) -> None:
        self._figures.mkdir(exist_ok=True)
        for name, image in images.items():
            write_atomic(self._figures / f"{name}.png", write_png(image))
            self._board.add_image(name, image, step, dataformats="HWC")
        self._board.flush()

    def close(self) -> None:
        self._board.close()
        self._rows.close()
        self._times.close()


def _line(row: Row) -> bytes:
    return json.dumps(row).encode() + b"\n"
