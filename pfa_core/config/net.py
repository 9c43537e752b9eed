"""The shape of a network and how it learns. Sources: Chatfield et al. 2014 (CNN-M); paper section 3."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pfa_core.errors import ConfigInvalid

Norm = Literal["lrn", "batch"]
Schedule = Literal["step", "cosine", "one_cycle"]
Half = Literal["auto", "bf16", "fp16"]
Returns = Literal["auto", "last", "best"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetConfig:
    """A VGG-M of some width for crops of some size."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    width: float = 1.0
    """Multiplies every number of channels and of hidden units; 1 is the paper's."""
    crop_px: int = 224
    """Side of the square input, px."""
    norm: Norm = "lrn"
    """`lrn`: local response normalisation after conv1 and conv2 (the paper's); `batch`: batch norm in every layer.
    A net with `batch` can start from a model with `lrn`, but not the other way; see `backbones.copy_backbone`."""
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if not 1 / 32 <= self.width <= 2:
            raise ConfigInvalid(f"width must lie in 1/32..2, got {self.width}")
        if not 64 <= self.crop_px <= 512:
            raise ConfigInvalid(f"crop_px must lie in 64..512, got {self.crop_px}")
        if not 0 <= self.dropout < 1:
            raise ConfigInvalid(f"dropout must lie in [0, 1), got {self.dropout}")

    def units(self, full: int) -> int:
        """`full` channels or hidden units at this width; at least 8, a multiple of 8."""
        return max(8, 8 * round(full * self.width / 8))


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnConfig:
    """How long, how fast and in what batches a network learns (SGD with momentum)."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    batch_size: int
    steps: int
    learning_rate: float
    """The peak rate."""
    schedule: Schedule = "step"
    drop_at: float = 0.75
    """`step`: the rate is divided by 10 after this fraction of the steps."""
    momentum: float = 0.9
    weight_decay: float = 5e-4
    max_norm: float | None = None
    """Gradients are clipped to this norm; None leaves them."""
    validate_every_steps: int
    checkpoint_every_steps: int
    autocast: bool = True
    """Convolutions and products in 16 bits, see `half`; False: all in float32."""
    half: Half = "auto"
    """`auto`: bf16 where the device is fast in it, fp16 with a scaled loss on other GPUs, else float32; or one
    of the two, native or not."""
    ema_decay: float | None = None
    """Validate, and return, an exponential moving average of the weights with this decay, such as 0.999; None: the
    weights themselves."""
    patience: int | None = None
    """Stop after so many validations in a row without improvement of the figure that the recipe goes by (AUC in
    pretraining, loss for action, PCK for pose); None: take all the steps. Nothing is judged where there is no
    validation set."""
    returns: Returns = "auto"
    """The weights that become the model: the `last`, or the `best` of all validations; `auto`: the best where
    `patience` is set, else the last."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "steps", "validate_every_steps", "checkpoint_every_steps"):
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} must be >= 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate <= 10:
            raise ConfigInvalid(f"learning_rate must lie in (0, 10], got {self.learning_rate}")
        if not 0 < self.drop_at <= 1:
            raise ConfigInvalid(f"drop_at must lie in (0, 1], got {self.drop_at}")
        if not 0 <= self.momentum < 1:
            raise ConfigInvalid(f"momentum must lie in [0, 1), got {self.momentum}")
        if self.weight_decay < 0:
            raise ConfigInvalid(f"weight_decay must be >= 0, got {self.weight_decay}")
        if self.max_norm is not None and not self.max_norm > 0:
            raise ConfigInvalid(f"max_norm must be > 0, got {self.max_norm}")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ConfigInvalid(f"ema_decay must lie in (0, 1), got {self.ema_decay}")
        if self.patience is not None and self.patience < 1:
            raise ConfigInvalid(f"patience must be >= 1, got {self.patience}")

    @property
    def returns_best(self) -> bool:
        """Whether the best weights become the model."""
        return self.returns == "best" or (self.returns == "auto" and self.patience is not None)


def check_val_fraction(val_fraction: float) -> None:
    """Raises: ConfigInvalid: not in [0, 1)."""
    if not 0 <= val_fraction < 1:
        raise ConfigInvalid(f"val_fraction must lie in [0, 1), got {val_fraction}")
