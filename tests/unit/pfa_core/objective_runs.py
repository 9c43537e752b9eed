"""What the tests of every recipe that learns an Appearance ConvNet share."""

from collections.abc import Generator
from pathlib import Path
from typing import Protocol

from torch import nn

from pfa_core.appearance_run import AppearanceResult
from pfa_core.held_out import PretrainVideo
from pfa_core.progress import Progress, run_to_end
from tests.unit.pfa_core.moving_clips import dancing_clip


class Start(Protocol):
    """Begins a run over these videos in a folder."""

    def __call__(self, videos: list[PretrainVideo], folder: Path) -> Generator[Progress, None, AppearanceResult]: ...


def dancers(num: int) -> list[PretrainVideo]:
    return [PretrainVideo(name=f"clip {seed}", pack=dancing_clip(seed)) for seed in range(num)]


def check_resumes_bit_equal(start: Start, folder: Path) -> None:
    """Stop a run after its third step, go on, and compare with one that was never stopped."""
    whole = run_to_end(start(dancers(5), folder / "whole"), lambda _: None)
    first = start(dancers(5), folder / "parts")
    for progress in first:
        if progress.phase == "train" and progress.step == 3:
            break
    first.close()
    resumed = run_to_end(start(dancers(5), folder / "parts"), lambda _: None)
    assert equal(resumed.model, whole.model)
    assert resumed.metrics == whole.metrics
    assert resumed.history == whole.history


def equal(ours: nn.Module, theirs: nn.Module) -> bool:
    mine, other = ours.state_dict(), theirs.state_dict()
    return mine.keys() == other.keys() and all(bool((mine[name] == other[name]).all()) for name in mine)
