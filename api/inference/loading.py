"""Models from their folders, warmed up, in the number format that this machine is fastest in."""

import logging

import torch

from api.inference.host import Loaded
from api.inference.outcomes import Version
from api.uses import Use
from pfa_core.devices import device_of, fast_in_bf16
from pfa_core.predict import ActionPredictor, FeatureExtractor, Numerics, PosePredictor
from pfa_store.disk import disk_errors
from pfa_store.settings import Settings

logger = logging.getLogger(__name__)

Predictor = PosePredictor | ActionPredictor | FeatureExtractor
_PREDICTORS: dict[Use, type[Predictor]] = {
    "pose": PosePredictor,
    "action": ActionPredictor,
    "features": FeatureExtractor,
}


class Loading:
    """Loads models; the host calls it from a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = settings.api_threads
        self._numerics = numerics_of(settings)
        self._told_fallback = False

    def load(self, version: Version) -> Loaded[Predictor]:
        """Load and warm up, in the host's thread."""
        torch.set_num_threads(self._threads)
        predictor = _PREDICTORS[version.use].load(
            version.folder, numerics=self._numerics, executor=self._settings.executor
        )
        self._tell_fallback(predictor.fallback)
        predictor.warm_up()
        return Loaded(predictor, bytes_on_disk(version) * predictor.dtype.itemsize // 4)

    def _tell_fallback(self, reason: str | None) -> None:
        """Log, once, that models run slower than they could."""
        if reason is not None and not self._told_fallback:
            self._told_fallback = True
            logger.warning("Networks run by torch alone: %s", reason)


def bytes_on_disk(version: Version) -> int:
    """What a model's weights take as float32, as they are kept, which is what loading them needs at least."""
    with disk_errors():
        return (version.folder / "model.safetensors").stat().st_size


def numerics_of(settings: Settings) -> Numerics:
    """The number format to predict in."""
    if settings.numerics != "auto":
        return settings.numerics
    return "bfloat16" if fast_in_bf16(device_of()) else "float32"
