"""What the demo's stages find out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pfa_client.answers import Actions, Neighbour
from pfa_client.records import Job

MOTION, RANDOM = "motion", "random"
INITS = (MOTION, RANDOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A clip that was not trained on, and what the service says it shows."""

    clip: str
    label: str
    answer: Actions


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """An image and its nearest poses in the collection."""

    image: bytes
    name: str
    found: Sequence[Neighbour]


@dataclass(slots=True, kw_only=True)
class DemoResults:
    """All that came of the stages."""

    pretraining: Job
    """Succeeded."""
    curves: list[Mapping[str, Any]]
    filters_png: bytes
    scores: dict[str, dict[str, Mapping[str, Any]]] = field(default_factory=dict)
    """task -> init -> result of the evaluation job."""
    overlays: list[tuple[str, bytes]] = field(default_factory=list)
    """(name, PNG)."""
    predictions: list[Prediction] = field(default_factory=list)
    nearest: list[Nearest] = field(default_factory=list)

    @property
    def model(self) -> str:
        """The pretrained model, `name@version`."""
        return str(self._result["model"])

    @property
    def metrics(self) -> Mapping[str, float]:
        """What pretraining reached."""
        metrics: Mapping[str, float] = self._result["metrics"]
        return metrics

    @property
    def left_out(self) -> Sequence[Mapping[str, str]]:
        """Videos that could not be used: `file`, `code`, `message`."""
        left_out: Sequence[Mapping[str, str]] = self._result["left_out"]
        return left_out

    @property
    def _result(self) -> Mapping[str, Any]:
        assert self.pretraining.result is not None
        return self.pretraining.result
