"""Doing the cells of a comparison, one by one, in one process or in several that share a folder.

A cell that is done is a JSON file under `cells/`, whose name ends with a digest of all that it depends on: its
configuration, the contents of its data, and the weights that it started from. Whoever runs a cell holds a lock, which
the kernel drops with the process; its checkpoints lie under `work/` until the cell is done, so that whoever comes next
goes on from them.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from pfa_core.checkpoint import digest_of
from pfa_core.config.tables import TablesConfig
from pfa_core.durable import write_atomic
from pfa_core.errors import TrainingDiverged
from pfa_core.pack_lock import PackLock
from pfa_core.progress import Progress
from pfa_core.tables.cell import Cell
from pfa_core.tables.looks import look_of
from pfa_core.tables.measure import Measured, measure_action, measure_pose
from pfa_core.tables.plan import plan
from pfa_core.tables.sources import TablesData
from pfa_core.tables.starts import LAYOUT, Starts

POLL_S = 0.2
"""How often a process that has nothing left to claim looks whether the others are done."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A comparison and its folder."""

    config: TablesConfig
    data: TablesData
    folder: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    """Initialisation -> folder of a model that need not be trained."""
    device: str = "auto"
    packs: Path | None = None
    """The folder of the packs of labelled clips, which two streams learn from; None: below `folder`."""

    @cached_property
    def starts(self) -> Starts:
        """Where the initialisations are."""
        folder = self.folder / "initialisations"
        return Starts(config=self.config, data=self.data, folder=folder, given=self.given)

    @cached_property
    def cells(self) -> list[Cell]:
        """The plan. Raises: ConfigInvalid."""
        return plan(self.config, self.data, given=self.given)

    def done(self, cell: Cell) -> bool:
        """Whether nothing is left to do for a cell."""
        if cell.task == "learn":
            return self.starts.ready(cell.initialisation, cell.seed)
        return self._ready(cell) and self.path(cell).is_file()

    def read(self, cell: Cell) -> dict[str, Any] | None:
        """The record of a cell that was measured; None: not yet."""
        if not self.done(cell):
            return None
        record: dict[str, Any] = json.loads(self.path(cell).read_bytes())
        return record

    def path(self, cell: Cell) -> Path:
        """Where the record of a cell is, once it can be told and it is done."""
        return self.folder / "cells" / f"{cell.name}-{self._digest(cell)[:12]}.json"

    def run(self, cells: Sequence[Cell]) -> Generator[Progress, None, None]:
        """Do those cells that are not done. Several processes may do so at once.

        Yields:
            The progress of the cell in hand; its phase begins with how many cells are done.

        Raises:
            As the recipes raise, but for a finetuning run that diverges: that is a result.
        """
        while True:
            missing = [cell for cell in cells if not self.done(cell)]
            if not missing:
                return
            for cell in filter(self._ready, missing):
                with contextlib.closing(PackLock(self.folder / "cells" / cell.name)) as lock:
                    if lock.take() and not self.done(cell):
                        told = f"{len(cells) - len(missing) + 1}/{len(cells)} {cell}"
                        yield from _told(told, self._do(cell))
                        break
            else:
                yield Progress(phase="wait for other processes", step=len(cells) - len(missing), total=len(cells))
                time.sleep(POLL_S)

    def _ready(self, cell: Cell) -> bool:
        """Whether what it starts from is there."""
        return cell.task == "learn" or self.starts.ready(cell.initialisation, cell.seed)

    def _do(self, cell: Cell) -> Generator[Progress, None, None]:
        work = self.folder / "work" / cell.name
        if cell.task == "learn":
            yield from self.starts.learn(cell.initialisation, cell.seed, work=work, device=self.device)
            return
        record: dict[str, Any] = {"cell": asdict(cell), "digest": self._digest(cell)}
        work = self.folder / "work" / self.path(cell).stem
        try:
            measured = yield from self._measured(cell, work)
        except TrainingDiverged as error:
            record |= {"figures": {}, "diverged": str(error)}
        else:
            record |= {key: value for key, value in asdict(measured).items() if key != "picture"}
            self._draw(f"poses-{cell.data}-{cell.initialisation}", measured.picture)
        write_atomic(self.path(cell), (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
        shutil.rmtree(work, ignore_errors=True)

    def _measured(self, cell: Cell, work: Path) -> Generator[Progress, None, Measured]:
        init = self.starts.load(cell.initialisation, cell.seed)
        match cell.task:
            case "pose":
                drawn = cell.fraction == 1 and cell.seed == self.config.first_seed
                people = self.data.pose_set(cell.data)
                return (
                    yield from measure_pose(
                        cell, people, config=self.config, init=init, work=work, device=self.device, drawn=drawn
                    )
                )
            case "look":
                yield Progress(phase="draw", step=0, total=1)
                return self._look(cell, init)
        clips = self.data.static_set(cell.data) if cell.task == "static" else self.data.action_set(cell.data)
        packs = self.packs or self.folder / "packs"
        return (
            yield from measure_action(
                cell, clips, config=self.config, init=init, work=work, packs=packs, device=self.device
            )
        )

    def _look(self, cell: Cell, init: nn.Module | None) -> Measured:
        manifest = self.starts.manifest(cell.initialisation, cell.seed)
        net = self.config.motion.net if manifest is None else manifest.config.net
        for name, picture in look_of(init, net, self.data, self.config).items():
            self._draw(f"{name}-{cell.initialisation}", picture)
        return Measured(figures={}, num_train=0, num_test=0)

    def _draw(self, name: str, picture: bytes | None) -> None:
        if picture is not None:
            (self.folder / "figures").mkdir(exist_ok=True)
            write_atomic(self.folder / "figures" / f"{name}.png", picture)

    def _digest(self, cell: Cell) -> str:
        """Of all that the record depends on."""
        start = self.starts.sha256(cell.initialisation, cell.seed)
        match cell.task:
            case "pose":
                parts: list[object] = [self.config.pose, self.data.pose_set(cell.data).identity]
            case "action":
                parts = [self.config.action, self.data.action_set(cell.data).identity]
            case "static":
                images = self.config.static_images
                parts = [self.config.static, images, self.data.static_set(cell.data).identity]
            case _:
                sets = [people.identity for people in self.data.pose]
                sets += [clips.identity for clips in (*self.data.action, *self.data.static)]
                parts = [self.config.motion.net, self.config.pose.torso_scale, sets]
        return digest_of(LAYOUT, cell, start, *parts)


def _told(cell: str, steps: Generator[Progress, None, None]) -> Generator[Progress, None, None]:
    """The steps, with the cell before each phase."""
    with contextlib.closing(steps):
        for progress in steps:
            yield replace(progress, phase=f"{cell}: {progress.phase}")
