from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pfa_core.config.net import LearnConfig
from pfa_core.errors import TrainingDiverged
from pfa_core.stepper import MAX_SKIPPED, Stepper

CPU = torch.device("cpu")


def learn(*, half: bool, max_norm: float | None = None) -> LearnConfig:
    return LearnConfig(
        batch_size=1, steps=9, learning_rate=0.1, weight_decay=0.0, max_norm=max_norm, autocast=half, half="fp16",
        validate_every_steps=9, checkpoint_every_steps=9,
    )  # fmt: skip


def weight() -> nn.Parameter:
    return nn.Parameter(torch.tensor([1.0]))


def three(weight: Tensor) -> Tensor:
    """A loss whose gradient, 3, passes through fp16."""
    return (weight.half() * 3).float().sum()


def by_hand(gradients: list[float]) -> float:
    value, velocity = 1.0, 0.0
    for gradient in gradients:
        velocity = 0.9 * velocity + gradient
        value -= 0.1 * velocity
    return value


def test_parameters_learn_at_their_share_of_the_rate() -> None:
    """Momentum and decay too: two steps of gradient 3, and for what has two axes also 0.5 times its value."""
    full, slow, matrix = weight(), weight(), nn.Parameter(torch.tensor([[1.0]]))
    config = replace(learn(half=False), weight_decay=0.5)
    stepper = Stepper(
        {"full": full, "slow": slow, "matrix": matrix}, config, device=CPU, rates={slow: 0.25, matrix: 0.5}
    )
    for step in (1, 2):
        stepper.backward(3 * (full.sum() + slow.sum() + matrix.sum()))
        stepper.step(0.1, step=step)
    assert full.item() == pytest.approx(1 - 0.1 * (3 + 5.7))
    assert slow.item() == pytest.approx(1 - 0.025 * (3 + 5.7))
    first = 1 - 0.05 * 3.5
    assert matrix.item() == pytest.approx(first - 0.05 * (0.9 * 3.5 + 3 + 0.5 * first))


def test_steps_whose_scaled_gradient_overflows_are_skipped_also_the_very_first() -> None:
    """3 * 65536 and 3 * 32768 are beyond fp16's 65504; 3 * 16384 is not. So two of five steps are skipped."""
    w = weight()
    stepper = Stepper({"w": w}, learn(half=True), device=CPU)
    for step in range(1, 6):
        stepper.backward(three(w))
        stepper.step(0.1, step=step)
        assert w.item() == pytest.approx(by_hand([3.0] * max(0, step - 2)), rel=1e-6)


def test_clipping_sees_the_gradient_without_its_scale() -> None:
    w = weight()
    stepper = Stepper({"w": w}, learn(half=True, max_norm=0.5), device=CPU)
    for step in range(1, 5):
        stepper.backward(three(w))
        stepper.step(0.1, step=step)
    assert w.item() == pytest.approx(by_hand([0.5, 0.5]), rel=1e-5)


def test_many_skipped_steps_in_a_row_are_divergence() -> None:
    w = weight()
    stepper = Stepper({"w": w}, learn(half=True), device=CPU)

    def step(number: int) -> None:
        stepper.backward(w.sum() * torch.inf)
        stepper.step(0.1, step=number)

    for number in range(1, MAX_SKIPPED):
        step(number)
    with pytest.raises(TrainingDiverged, match=f"at any scale .* at step {MAX_SKIPPED}"):
        step(MAX_SKIPPED)
    assert w.item() == 1.0


def test_a_step_that_is_taken_starts_the_count_anew() -> None:
    w = weight()
    stepper = Stepper({"w": w}, learn(half=True), device=CPU)
    for step in range(1, 3 * MAX_SKIPPED):
        stepper.backward(three(w) if step % (MAX_SKIPPED - 1) == 0 else w.sum() * torch.inf)
        stepper.step(0.1, step=step)


def test_scale_and_count_survive() -> None:
    w, other = weight(), weight()
    first = Stepper({"w": w}, learn(half=True), device=CPU)
    for step in range(1, 4):
        first.backward(three(w))
        first.step(0.1, step=step)
    second = Stepper({"w": other}, learn(half=True), device=CPU)
    second.restore(first.tensors(), first.state())
    assert second.state() == first.state()
    with torch.no_grad():
        other.copy_(w)
    for stepper, parameter in ((first, w), (second, other)):
        stepper.backward(three(parameter))
        stepper.step(0.1, step=4)
    assert torch.equal(w, other)
    assert w.item() == pytest.approx(by_hand([3.0, 3.0]), rel=1e-6)


def test_a_gradient_that_is_not_finite_is_divergence_in_float32() -> None:
    """The root of w - w is 0, and so is the loss; its derivative is not a number."""
    w = weight()
    stepper = Stepper({"w": w}, learn(half=False, max_norm=1.0), device=CPU)
    stepper.backward((w - w).sqrt().sum())
    with pytest.raises(TrainingDiverged, match="gradient's norm is nan at step 7"):
        stepper.step(0.1, step=7)
    assert w.item() == 1.0
