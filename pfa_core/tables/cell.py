"""A cell: one training run of a comparison, and the test of what it made."""

from dataclasses import dataclass
from typing import Literal

Task = Literal["learn", "pose", "action", "static", "look"]
"""`learn`: make the model of an initialisation; `look`: draw what it has learned; the others finetune and test."""
Layers = Literal["full", "last2", "two_stream"]
"""What is trained: every layer, the two new ones, or every layer of a second network on flow as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place of the tables, for one seed."""

    task: Task
    initialisation: str
    seed: int
    data: str = ""
    """Name of the labelled set; empty for `learn` and `look`."""
    layers: Layers = "full"
    fraction: float = 1.0
    """Share of the training labels."""

    @property
    def name(self) -> str:
        """Short, and good for a file's name."""
        parts = [self.task, self.data, self.initialisation]
        if self.task not in ("learn", "look"):
            parts += [self.layers, f"{100 * self.fraction:g}pc"]
        return "-".join([*(part for part in parts if part), str(self.seed)])

    def __str__(self) -> str:
        """For a person who waits for it."""
        share = "" if self.fraction == 1 else f" {100 * self.fraction:g} %"
        layers = "" if self.layers == "full" else f" {self.layers}"
        return f"{self.task} {self.data} {self.initialisation}{layers}{share} seed {self.seed}".replace("  ", " ")
