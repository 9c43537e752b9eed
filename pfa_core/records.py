"""What a training run leaves on the disk while it runs: rows, times, pictures, checkpoints and the best weights."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from pfa_core.checkpoint import load_best, load_checkpoint, save_best, save_checkpoint
from pfa_core.config.net import LearnConfig
from pfa_core.history import History, Row
from pfa_core.run_state import Pictures, RunState
from pfa_core.stopwatch import Stopwatch

NUM_ROWS = 1000
"""Losses are recorded about this often in a run, however long it is."""
NUM_DRAWN = 20
"""Pictures are drawn at most about this often in a run: they stay in TensorBoard's files."""

Validate = Callable[[nn.Module], Mapping[str, float]]
Draw = Callable[[nn.Module], Pictures]


class Records:
    """The files of one run, and when each is written."""

    def __init__(
        self,
        run: RunState,
        learn: LearnConfig,
        folder: Path,
        *,
        config_sha256: str,
        validate: Validate | None,
        draw: Draw | None,
        leads: bool,
    ) -> None:
        """Bring `run` to where the newest checkpoint of `folder` was. Raises: see `load_checkpoint`.

        `leads`: whether this process is the one that writes, of several that train together.
        """
        self._run, self._learn, self._validate, self._draw, self._leads = run, learn, validate, draw, leads
        self._folder, self._config_sha256 = folder / "checkpoints", config_sha256
        run.restore(load_checkpoint(self._folder, config_sha256=config_sha256))
        self._history = History(folder if leads else None, run.rows)
        self._saved = run.step
        self._row_every = max(1, learn.steps // NUM_ROWS)
        num_validations = -(-learn.steps // learn.validate_every_steps)
        self._draw_every = learn.validate_every_steps * -(-num_validations // NUM_DRAWN)

    @property
    def rows(self) -> list[Row]:
        """The history so far."""
        return self._history.rows

    def note(self, watch: Stopwatch) -> None:
        """Write what is due after the step that was just taken, and validate where that is due."""
        run, step = self._run, self._run.step
        if self._due(self._row_every):
            self._history.add_times(step, watch.take_lap())
        if self._validate is not None and self._due(self._learn.validate_every_steps):
            self._history.add(step, run.take_means() | run.measure(self._validate))
            self._keep_if_best()
            if self._draw is not None and self._due(self._draw_every):
                self._history.add_images(step, run.drawn(self._draw))
        elif self._due(self._row_every):
            self._history.add(step, run.take_means())
        if self._due(self._learn.checkpoint_every_steps):
            self.save()

    def _due(self, every: int) -> bool:
        return self._run.step % every == 0 or self._run.over

    def _keep_if_best(self) -> None:
        run = self._run
        if run.judge() and self._leads:
            figures, sha = run.best.figures, self._config_sha256
            save_best(self._folder, run.weights(), step=run.step, figures=figures, config_sha256=sha)

    def save(self) -> None:
        """Write a checkpoint, unless the newest is of this step."""
        if self._leads and self._saved != self._run.step:
            save_checkpoint(self._folder, self._run.checkpoint(self.rows), config_sha256=self._config_sha256)
            self._saved = self._run.step

    def finish(self) -> None:
        """Give the network the weights that the run returns; a process that does not lead keeps the last."""
        step = self._run.returned_best if self._leads else None
        best = None if step is None else load_best(self._folder, step=step, config_sha256=self._config_sha256)
        self._run.finish(best)

    def close(self) -> None:
        """Finish the files."""
        self._history.close()
