"""The figures behind the synthetic clips: bones keep their length, motions obey the body, rays meet the solids."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pfa_core.puppet.actions import ACTS
from pfa_core.puppet.body import Body, sample_body
from pfa_core.puppet.camera import frame_body, shaking
from pfa_core.puppet.looks import TILE, tileable_noise
from pfa_core.puppet.motion import keyed
from pfa_core.puppet.raycast import Cloth, Light, Parts, Sheet, cast, lay_over
from pfa_core.puppet.skeleton3d import Skeleton, about, stand

FPS = 100.0
TIMES_S = np.arange(300) / FPS
Floats = NDArray[np.float64]


def perform(action: str, seed: int) -> tuple[Skeleton, Body]:
    body = sample_body(np.random.default_rng(seed))
    return stand(ACTS[action](body, TIMES_S, np.random.default_rng(100 + seed)), body), body


@pytest.fixture(scope="module", params=[(action, seed) for action in ACTS for seed in range(3)], ids=str)
def performance(request: pytest.FixtureRequest) -> tuple[str, Skeleton, Body]:
    action, seed = request.param
    return (action, *perform(action, seed))


def test_bones_keep_their_length(performance: tuple[str, Skeleton, Body]) -> None:
    _, skeleton, body = performance
    for side in ("left_", "right_"):
        for start, end, length in (
            ("hip", "knee", body.thigh), ("knee", "ankle", body.shank),
            ("shoulder", "elbow", body.upper_arm), ("elbow", "wrist", body.forearm),
        ):  # fmt: skip
            bone = skeleton.joints[side + end] - skeleton.joints[side + start]
            np.testing.assert_allclose(np.linalg.norm(bone, axis=1), length, atol=1e-9)


def test_knees_bend_forward_and_elbows_too(performance: tuple[str, Skeleton, Body]) -> None:
    _, skeleton, _ = performance
    for side, foot in zip(("left", "right"), skeleton.feet, strict=True):
        hip, knee, ankle = (skeleton.joints[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
        # the part of hip -> knee across the line hip -> ankle points where the toes point, seen from above
        line = (ankle - hip) / np.linalg.norm(ankle - hip, axis=1, keepdims=True)
        off = (knee - hip) - np.sum((knee - hip) * line, axis=1, keepdims=True) * line
        toes = foot[:, :, 2] * np.array([1.0, 0.0, 1.0])
        bent = np.linalg.norm(off, axis=1) > 0.02
        upright = np.abs(line[:, 1]) > 0.5
        assert (np.sum(off * toes, axis=1)[bent & upright] > 0).all()
        assert (np.linalg.norm(ankle - hip, axis=1) <= np.linalg.norm(knee - hip, axis=1) * 3).all()


def test_nobody_sinks_or_floats(performance: tuple[str, Skeleton, Body]) -> None:
    action, skeleton, body = performance
    soles = np.stack([skeleton.joints[f"{side}_ball"][:, 1] for side in ("left", "right")])
    assert soles.min() > -0.02
    lowest = soles.min(axis=0)
    if action in {"run", "jump"}:
        assert lowest.max() > 0.02, "it must leave the ground"
        assert lowest.min() < 0.03
    else:
        assert lowest.max() < 0.05
    assert (skeleton.joints["pelvis"][:, 1] < 1.02 * body.standing + (0.6 if action == "jump" else 0.04)).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_standing_foot_does_not_slide(seed: int) -> None:
    """While walking, the foot on the ground rests: the body passes over it."""
    skeleton, _ = perform("walk", seed)
    pelvis_speed = np.gradient(skeleton.joints["pelvis"][:, 2]) * FPS
    slowest = np.minimum(*[np.abs(np.gradient(skeleton.joints[f"{s}_ball"][:, 2])) * FPS for s in ("left", "right")])
    assert pelvis_speed.mean() > 0.7
    assert np.median(slowest) < 0.02
    assert np.quantile(slowest, 0.9) < 0.25 * pelvis_speed.mean()


@pytest.mark.parametrize("action", ["walk", "run"])
def test_arms_swing_against_the_legs(action: str) -> None:
    for seed in range(3):
        skeleton, _ = perform(action, seed)
        for side in ("left", "right"):
            arm = skeleton.joints[f"{side}_elbow"][:, 2] - skeleton.joints[f"{side}_shoulder"][:, 2]
            leg = skeleton.joints[f"{side}_knee"][:, 2] - skeleton.joints[f"{side}_hip"][:, 2]
            assert np.corrcoef(arm, leg)[0, 1] < -0.4


def test_running_is_faster_than_walking() -> None:
    speed = {
        action: [np.ptp(perform(action, seed)[0].joints["pelvis"][:, 2]) / 3 for seed in range(4)]
        for action in ("walk", "run")
    }
    assert min(speed["run"]) > max(speed["walk"])


@pytest.mark.parametrize("seed", range(4))
def test_a_jump_falls_freely(seed: int) -> None:
    """Between take-off and landing the hips accelerate downward with g."""
    skeleton, _ = perform("jump", seed)
    height = skeleton.joints["pelvis"][:, 1]
    soles = np.minimum(skeleton.joints["left_ball"][:, 1], skeleton.joints["right_ball"][:, 1])
    flying = soles > 0.06
    inner = flying[:-2] & flying[1:-1] & flying[2:]
    acceleration = np.diff(height, n=2) * FPS**2
    assert inner.sum() > 20
    assert np.median(acceleration[inner]) == pytest.approx(-9.81, abs=0.15)


def test_what_each_action_must_show() -> None:
    for seed in range(3):
        bent, body = perform("bend", seed)
        hands = np.minimum(bent.joints["left_wrist"][:, 1], bent.joints["right_wrist"][:, 1])
        assert hands.min() < 0.3 * body.height
        squatted, body = perform("squat", seed)
        assert squatted.joints["pelvis"][:, 1].min() < 0.66 * body.standing
        waved, _ = perform("wave_one_hand", seed)
        above = [
            np.mean(waved.joints[f"{s}_wrist"][:, 1] > waved.joints[f"{s}_shoulder"][:, 1]) for s in ("left", "right")
        ]
        assert sorted(above) == [0.0, 1.0]
        both, _ = perform("wave_both", seed)
        for side in ("left", "right"):
            assert (both.joints[f"{side}_wrist"][:, 1] > both.joints[f"{side}_shoulder"][:, 1]).any()
        punched, body = perform("punch", seed)
        for side in ("left", "right"):
            reach = np.linalg.norm(punched.joints[f"{side}_wrist"] - punched.joints[f"{side}_shoulder"], axis=1)
            arm = body.upper_arm + body.forearm
            assert reach.max() > 0.97 * arm
            assert reach.min() < 0.7 * arm


def test_keyed_passes_through_its_keys() -> None:
    keys = ((0.0, 2.0), (0.3, -1.0), (1.0, 4.0))
    np.testing.assert_allclose(keyed(np.array([0.0, 0.3, 1.0]), keys), [2.0, -1.0, 4.0])
    between = keyed(np.linspace(0.3, 1.0, 50), keys)
    assert (np.diff(between) >= 0).all()


def test_rotations_turn_right_handed() -> None:
    x, y, z = np.eye(3)
    quarter = np.array([90.0])
    np.testing.assert_allclose(about(0, quarter)[0] @ y, z, atol=1e-12)
    np.testing.assert_allclose(about(1, quarter)[0] @ z, x, atol=1e-12)
    np.testing.assert_allclose(about(2, quarter)[0] @ x, y, atol=1e-12)


def test_the_camera_is_a_similarity() -> None:
    """Distances in px, depth included, are the scale times distances in metres, in every frame."""
    rng = np.random.default_rng(5)
    points = rng.normal(0, 0.4, (9, 7, 3)) + np.array([0, 1, 0])
    root = np.linspace([0, 0, 0], [0, 0, 1.5], 9)
    hand = shaking(9, (240, 320), rng, shake_px=2)
    camera, _, _ = frame_body(points + root[:, None], root, (240, 320), rng, height=1.7, heading_deg=40, hand=hand)
    px = camera.project(points + root[:, None])
    metres = np.linalg.norm(points[:, :1] - points, axis=-1)
    np.testing.assert_allclose(
        np.linalg.norm(px[:, :1] - px, axis=-1), metres * camera.radius_scale[:, None], rtol=1e-9
    )


def _ball_depth(start: Floats, end: Floats, radius: tuple[float, float], size: int) -> Floats:
    """Depth of a round cone, slowly: the nearest surface among many balls whose centres and radii interpolate."""
    rows, columns = np.mgrid[:size, :size] + 0.5
    depth = np.full((size, size), -np.inf)
    for share in np.linspace(0, 1, 1500):
        centre = start + share * (end - start)
        ball = radius[0] + share * (radius[1] - radius[0])
        inside = ball**2 - (columns - centre[0]) ** 2 - (rows - centre[1]) ** 2
        depth = np.where(inside > 0, np.maximum(depth, centre[2] + np.sqrt(np.maximum(inside, 0))), depth)
    return depth


def _sheet(size: int) -> Sheet:
    return Sheet(
        np.full((size, size), -np.inf), np.full((size, size), -1, np.int16), np.zeros((size, size, 3), np.float32)
    )


def _draw(parts: list[tuple[list[float], list[float], tuple[float, float]]], *, flat: float = 1.0) -> Sheet:
    start, end = (np.array([part[i] for part in parts], dtype=np.float64) for i in (0, 1))
    axis = np.tile([1.0, 0.0, 0.0], (len(parts), 1))
    sheet = _sheet(64)
    cast(
        Parts(
            start, end, np.array([part[2] for part in parts]), axis, axis, np.full(len(parts), flat),
            np.zeros(len(parts), np.int64),
        ),
        Cloth(np.full((1, TILE, TILE, 3), 0.5, np.float32), 1.0),
        Light((0.0, -1.0, 0.0), 1.0, 0.0, (1.0, 1.0, 1.0)), sheet,
    )  # fmt: skip
    return sheet


@pytest.mark.parametrize(
    "part",
    [
        ([20.0, 14.0, 0.0], [44.0, 50.0, 6.0], (9.0, 5.0)),
        ([30.0, 30.0, -20.0], [34.0, 33.0, 20.0], (6.0, 12.0)),
        ([32.0, 32.0, 0.0], [32.0, 32.0, 0.0], (11.0, 11.0)),
        ([12.0, 40.0, 15.0], [50.0, 38.0, -15.0], (4.0, 10.0)),
    ],
)
def test_a_ray_meets_a_round_cone_where_its_balls_are(
    part: tuple[list[float], list[float], tuple[float, float]],
) -> None:
    depth = _draw([part]).depth
    slow = _ball_depth(np.array(part[0]), np.array(part[1]), part[2], 64)
    both = np.isfinite(depth) & np.isfinite(slow)
    assert (np.isfinite(depth) != np.isfinite(slow)).sum() <= 6  # at the very edge
    assert both.sum() > 200
    assert np.quantile(np.abs(depth[both] - slow[both]), 0.98) < 0.1


def test_a_flattened_ball_is_an_ellipse() -> None:
    sheet = _draw([([32.0, 32.0, 0.0], [32.0, 32.0, 0.0], (20.0, 20.0))], flat=0.5)
    rows, columns = np.nonzero(sheet.owner >= 0)
    assert np.ptp(rows) + 1 == pytest.approx(40, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(20, abs=1)
    assert (sheet.owner >= 0).sum() == pytest.approx(np.pi * 20 * 10, rel=0.02)


def test_the_nearer_part_hides_the_farther() -> None:
    near, far = ([32.0, 20.0, 30.0], [32.0, 44.0, 30.0], (8.0, 8.0)), ([20.0, 32.0, 0.0], [44.0, 32.0, 0.0], (8.0, 8.0))
    for order in ([near, far], [far, near]):
        sheet = _draw(order)
        assert sheet.owner[32, 32] == order.index(near)
        assert sheet.owner[32, 18] == order.index(far)


def test_laying_over_averages_samples() -> None:
    sheet = _sheet(4)
    sheet.owner[0, 0] = sheet.owner[0, 1] = 0  # two of the four samples of the first pixel
    sheet.colour[0, :2] = 1.0
    frame, cover = np.full((2, 2, 3), 0.2, np.float32), np.empty((2, 2), np.float32)
    lay_over(frame, sheet, cover)
    np.testing.assert_allclose(cover, [[0.5, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(frame[0, 0], 0.6, atol=1e-6)
    np.testing.assert_allclose(frame[1, 1], 0.2, atol=1e-6)


def test_noise_tiles_without_a_seam() -> None:
    noise = tileable_noise(TILE, 8, np.random.default_rng(0))
    inside = np.abs(np.diff(noise, axis=0)).max()
    assert np.abs(noise[0] - noise[-1]).max() <= 1.5 * inside
