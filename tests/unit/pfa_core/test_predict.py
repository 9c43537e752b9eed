"""Predictors: batching changes nothing, bfloat16 stays close, boxes and kinds are checked."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pfa_core.config import action, flow, pose
from pfa_core.config.action import MotionConfig
from pfa_core.config.flow import PackConfig
from pfa_core.config.net import NetConfig, Norm
from pfa_core.crops import corner_crops, scale_short_side
from pfa_core.errors import BoxOutsideImage, ImageUnreadable, ModelDamaged, ModelUnsuitable, VideoTooShort
from pfa_core.finetune_action import action_model_config
from pfa_core.finetune_pose import pose_model_config
from pfa_core.heatmaps import cells_to_px, decode
from pfa_core.manifest import Lineage, ModelConfig
from pfa_core.models import save_model
from pfa_core.nets.action import ActionNet, TwoStreamNet
from pfa_core.nets.pose import PoseNet
from pfa_core.nets.preprocess import normalise_rgb
from pfa_core.predict import ActionPredictor, FeatureExtractor, Numerics, PosePredictor
from pfa_core.skeleton import FLIC

NET = NetConfig(width=1 / 16, crop_px=64, norm="batch")
LABELS = ("run", "sit", "walk")


def image(seed: int = 0, size: tuple[int, int] = (80, 110)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def pose_config(net: NetConfig = NET) -> ModelConfig:
    small = pose_model_config(pose.small(), FLIC)
    return ModelConfig(kind="pose", net=net, joints=FLIC, settings=small.settings)


def action_config(net: NetConfig = NET) -> ModelConfig:
    settings = {**action_model_config(action.small(), LABELS).settings, "short_side_px": 72}
    return ModelConfig(kind="action", net=net, labels=LABELS, settings=settings)


def pose_net(net: NetConfig = NET) -> PoseNet:
    torch.manual_seed(3)
    return PoseNet(net, len(FLIC)).eval()


def action_net(net: NetConfig = NET) -> ActionNet:
    torch.manual_seed(3)
    module = ActionNet(net, len(LABELS)).eval()
    torch.nn.init.normal_(module.scores.weight)  # so that inputs differ in their answers
    return module


def single(net: ActionNet, crop: NDArray[np.uint8]) -> torch.Tensor:
    """(C,) scores of one (S, S, 3) crop, by the network as it is."""
    with torch.no_grad():
        scores: torch.Tensor = net(normalise_rgb(torch.from_numpy(crop.copy()).permute(2, 0, 1)[None]))[0]
    return scores


def test_batched_rows_answer_as_single_ones() -> None:
    predictor = PosePredictor(pose_net(), pose_config(), device="cpu")
    prepared = [predictor.prepare(image(seed)) for seed in range(3)]
    rows = predictor.forward(torch.cat([one.rows_u8 for one in prepared]))
    for n, one in enumerate(prepared):
        together = predictor.finish(rows[n : n + 1], one.place)
        alone = predictor(image(n))
        np.testing.assert_allclose(together.heatmaps, alone.heatmaps, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(together.cells_to_image, alone.cells_to_image)


def test_keypoints_lie_where_the_affine_puts_the_heatmaps_cells() -> None:
    whole_cells = replace(pose_config(), settings={**pose_config().settings, "sub_cell": False})
    predictor = PosePredictor(pose_net(), whole_cells, device="cpu")
    found = predictor(image(), box=(20, 10, 50, 60))
    for k, heatmap in enumerate(found.heatmaps):
        top = np.argsort(heatmap.ravel())[-predictor.settings.top_cells :]
        column, row = (top % heatmap.shape[1]).mean(), (top // heatmap.shape[1]).mean()
        there = found.cells_to_image @ np.array([column, row, 1.0])
        np.testing.assert_allclose(found.keypoints_px[k], there, atol=1e-3)
        in_crop = cells_to_px(torch.tensor([column, row]), crop_px=64, cells=heatmap.shape[1]).numpy()
        np.testing.assert_allclose(found.crop.to_image(in_crop), there, atol=1e-6)


def test_action_averages_ten_crops_a_frame() -> None:
    net = action_net()
    predictor = ActionPredictor(net, action_config(), device="cpu")
    clip = np.stack([image(seed) for seed in range(30)])
    found = predictor(clip)
    chosen = [round(i * 29 / 24) for i in range(25)]
    scaled = np.stack([scale_short_side(clip[i], 72) for i in chosen])
    singles = [single(net, crop).softmax(dim=0) for ten in corner_crops(scaled, crop_px=64) for crop in ten]
    assert len(singles) == 250
    np.testing.assert_allclose(found.probabilities, torch.stack(singles).mean(dim=0).numpy(), atol=1e-5)
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert [name for name, _ in found.ranked] == [LABELS[i] for i in np.argsort(-found.probabilities)]


@pytest.mark.parametrize("norm", ["lrn", "batch"])
@pytest.mark.parametrize("crop_px", [64, 100, 102, 112])
def test_shared_first_layers_change_nothing(crop_px: int, norm: Norm) -> None:
    net = NetConfig(width=1 / 16, crop_px=crop_px, norm=norm)
    settings = {"short_side_px": 118, "test_frames": 25}
    module = action_net(net)
    predictor = ActionPredictor(
        module, ModelConfig(kind="action", net=net, labels=LABELS, settings=settings), device="cpu"
    )
    clip = np.stack([image(seed, (118, 155)) for seed in range(7)])
    apart = torch.stack([single(module, crop) for ten in corner_crops(clip, crop_px=crop_px) for crop in ten])
    looked = predictor.look(torch.from_numpy(clip).permute(0, 3, 1, 2)).flatten(0, 1)
    np.testing.assert_allclose(looked, apart, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predictor(clip).probabilities, apart.softmax(dim=1).mean(dim=0), atol=1e-5)


def test_a_mirrored_image_has_the_same_action() -> None:
    predictor = ActionPredictor(action_net(), action_config(), device="cpu")
    np.testing.assert_allclose(
        predictor(image(size=(72, 96))).probabilities, predictor(image(size=(72, 96))[:, ::-1]).probabilities, atol=1e-6
    )


@pytest.mark.parametrize("norm", ["lrn", "batch"])
@pytest.mark.parametrize("kind", ["pose", "action", "feature"])
def test_bfloat16_is_within_a_hundredth(kind: str, norm: Norm) -> None:
    net = NetConfig(width=0.25, crop_px=112, norm=norm)
    make: dict[str, Callable[[Numerics], Callable[[torch.Tensor], torch.Tensor]]] = {
        "pose": lambda n: PosePredictor(pose_net(net), pose_config(net), numerics=n, device="cpu").forward,
        "action": lambda n: ActionPredictor(action_net(net), action_config(net), numerics=n, device="cpu").look,
        "feature": lambda n: FeatureExtractor(action_net(net), action_config(net), numerics=n, device="cpu").forward,
    }
    rows = torch.from_numpy(np.stack([image(seed, (112, 112)) for seed in range(2)])).permute(0, 3, 1, 2)
    exact, rough = make[kind]("float32")(rows), make[kind]("bfloat16")(rows)
    assert rough.dtype == torch.float32
    assert ((rough - exact).norm() / exact.norm()).item() <= 1e-2


def test_features_are_fc6_without_dropout() -> None:
    net = action_net().train()
    extractor = FeatureExtractor(net, action_config(), device="cpu")
    feature = extractor(image())
    assert feature.shape == (extractor.num_features,) == (net.appearance.out_features,)
    assert feature.min() >= 0
    np.testing.assert_array_equal(feature, extractor(image()))


def test_saved_models_answer_alike(tmp_path: Path) -> None:
    for name, module, config in (("p", pose_net(), pose_config()), ("a", action_net(), action_config())):
        save_model(tmp_path / name, module, config=config, lineage=Lineage(), metrics={})
    before = PosePredictor(pose_net(), pose_config(), device="cpu")(image())
    np.testing.assert_array_equal(PosePredictor.load(tmp_path / "p", device="cpu")(image()).heatmaps, before.heatmaps)
    action_before = ActionPredictor(action_net(), action_config(), device="cpu")(image())
    after = ActionPredictor.load(tmp_path / "a", device="cpu")(image())
    np.testing.assert_array_equal(after.probabilities, action_before.probabilities)
    FeatureExtractor.load(tmp_path / "a", device="cpu")(image())
    for wrong in (lambda: PosePredictor.load(tmp_path / "a"), lambda: ActionPredictor.load(tmp_path / "p"),
                  lambda: FeatureExtractor.load(tmp_path / "p")):  # fmt: skip
        with pytest.raises(ModelUnsuitable):
            wrong()


TWO = MotionConfig(
    pack=PackConfig(short_side_px=72, backend="dis", tvl1=flow.fast()), gap_frames=3, test_blocks=4, weight=0.3
)


def two_stream_config(*, flip: bool = True) -> ModelConfig:
    settings = asdict(replace(action.small(), motion=TWO, flip=flip)) | {"short_side_px": 72}
    return ModelConfig(kind="action", net=NET, labels=LABELS, flow_maps=6, two_stream=True, settings=settings)


def two_stream_net() -> TwoStreamNet:
    torch.manual_seed(3)
    module = TwoStreamNet(NET, len(LABELS), flow_maps=6).eval()
    for net in (module.appearance, module.motion):
        torch.nn.init.normal_(net.scores.weight)
    return module


@pytest.mark.parametrize("flip", [True, False])
def test_two_streams_are_averaged_over_the_crops_of_frames_and_of_blocks(flip: bool) -> None:
    """Every crop is cut, mirrored (u changes its sign) and judged by itself."""
    net = two_stream_net()
    predictor = ActionPredictor(net, two_stream_config(flip=flip), device="cpu")
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, (9, 72, 96, 3), dtype=np.uint8)
    sample = replace(predictor.sample(clip), blocks_i8=rng.integers(-127, 128, (4, 6, 72, 96), dtype=np.int8))
    found = predictor(sample)
    places = [(0, 0), (0, 32), (8, 0), (8, 32), (4, 16)]
    by_frames, by_blocks = [], []
    for t in range(9):
        for top, left in places:
            crop = clip[t, top : top + 64, left : left + 64]
            by_frames += [single(net.appearance, part) for part in ([crop, crop[:, ::-1]] if flip else [crop])]
    for block in sample.blocks_i8.astype(np.float32) * np.float32(20 / 127):
        for top, left in places:
            part = torch.from_numpy(block[:, top : top + 64, left : left + 64].copy())
            sign = torch.tensor([-1.0, -1, -1, 1, 1, 1])[:, None, None]
            for one in [part, part.flip(2) * sign] if flip else [part]:
                with torch.no_grad():
                    by_blocks.append(net.motion(one[None])[0])
    appearance, motion = (torch.stack(rows).softmax(dim=1).mean(dim=0).numpy() for rows in (by_frames, by_blocks))
    np.testing.assert_allclose(found.streams["appearance"], appearance, atol=1e-5)
    np.testing.assert_allclose(found.streams["motion"], motion, atol=1e-5)
    np.testing.assert_allclose(found.probabilities, 0.7 * appearance + 0.3 * motion, atol=1e-5)


def test_what_has_no_motion_is_judged_by_appearance_alone() -> None:
    net = two_stream_net()
    predictor = ActionPredictor(net, two_stream_config(), device="cpu")
    alone = ActionPredictor(net.appearance, action_config(), device="cpu")
    still, short = image(size=(72, 96)), np.stack([image(seed, (72, 96)) for seed in range(3)])
    for given in (still, short):
        assert set(predictor(given).streams) == {"appearance"}
        np.testing.assert_allclose(predictor(given).probabilities, alone(given).probabilities, atol=1e-6)
    longer = np.concatenate([short, short[:1]])
    assert set(predictor(longer).streams) == {"appearance", "motion"}


def test_saved_two_streams_answer_alike_and_features_are_of_the_appearance(tmp_path: Path) -> None:
    net, config = two_stream_net(), two_stream_config()
    save_model(tmp_path / "m", net, config=config, lineage=Lineage(), metrics={})
    clip = np.stack([image(seed, (72, 96)) for seed in range(6)])
    before = ActionPredictor(net, config, device="cpu")(clip)
    after = ActionPredictor.load(tmp_path / "m", device="cpu")(clip)
    for name in ("appearance", "motion"):
        np.testing.assert_array_equal(after.streams[name], before.streams[name])
    feature = FeatureExtractor.load(tmp_path / "m", device="cpu")(clip[0])
    np.testing.assert_array_equal(feature, FeatureExtractor(net.appearance, action_config(), device="cpu")(clip[0]))


@pytest.mark.parametrize("broken", [{}, {"motion": {"gap_frames": 3}}, {"motion": asdict(replace(TWO, gap_frames=5))}])
def test_two_streams_that_do_not_say_how_flow_is_measured_are_damaged(broken: dict[str, Any]) -> None:
    config = replace(two_stream_config(), settings=broken)
    with pytest.raises(ModelDamaged, match="flow"):
        ActionPredictor(two_stream_net(), config, device="cpu")


def test_bad_input_has_a_name() -> None:
    predictor = PosePredictor(pose_net(), pose_config(), device="cpu")
    with pytest.raises(BoxOutsideImage):
        predictor(image(), box=(500, 500, 10, 10))
    with pytest.raises(ImageUnreadable, match=r"\(80, 110\)"):
        predictor(image()[..., 0])
    with pytest.raises(ImageUnreadable, match="float"):
        predictor(image().astype(np.float32))
    with pytest.raises(VideoTooShort):
        ActionPredictor(action_net(), action_config(), device="cpu")(image()[None][:0])


def test_a_folder_without_settings_takes_the_papers() -> None:
    bare = ModelConfig(kind="pose", net=NET, joints=FLIC)
    assert PosePredictor(pose_net(), bare, device="cpu").settings.top_cells == 20
    settings = ActionPredictor(action_net(), ModelConfig(kind="action", net=NET, labels=LABELS), device="cpu").settings
    assert (settings.short_side_px, settings.test_frames) == (round(64 * 240 / 224), 25)
    broken = ModelConfig(kind="pose", net=NET, joints=FLIC, settings={"top_cells": "many"})
    with pytest.raises(ModelDamaged, match="top_cells"):
        PosePredictor(pose_net(), broken)


def with_settings(**settings: object) -> ModelConfig:
    return ModelConfig(kind="pose", net=NET, joints=FLIC, settings=settings)


def test_joints_below_their_thresholds_are_not_visible() -> None:
    bare = PosePredictor(pose_net(), with_settings(), device="cpu")(image())
    assert bare.visible is None
    thresholds = [float(score) + (0.01 if k % 2 else -0.01) for k, score in enumerate(bare.scores)]
    found = PosePredictor(pose_net(), with_settings(visible_from=thresholds), device="cpu")(image())
    assert found.visible is not None
    assert found.visible.tolist() == [k % 2 == 0 for k in range(len(FLIC))]
    np.testing.assert_array_equal(found.keypoints_px, bare.keypoints_px)


@pytest.mark.parametrize("thresholds", ["high", [0.5] * (len(FLIC) - 1), [0.5] * (len(FLIC) - 1) + [float("nan")]])
def test_thresholds_that_do_not_fit_the_joints_are_damage(thresholds: object) -> None:
    with pytest.raises(ModelDamaged, match="visible_from"):
        PosePredictor(pose_net(), with_settings(visible_from=thresholds))


def test_a_model_reads_its_joints_out_by_sub_cells_where_it_says_so() -> None:
    whole, fine = (PosePredictor(pose_net(), with_settings(sub_cell=on), device="cpu")(image()) for on in (False, True))
    np.testing.assert_array_equal(fine.heatmaps, whole.heatmaps)
    in_crop, _ = decode(torch.from_numpy(fine.heatmaps)[None], crop_px=64, top_cells=20, sub_cell=True)
    np.testing.assert_allclose(fine.keypoints_px, fine.crop.to_image(in_crop[0].numpy()), atol=1e-4)
    assert not np.array_equal(fine.keypoints_px, whole.keypoints_px)
    with pytest.raises(ModelDamaged, match="sub_cell"):
        PosePredictor(pose_net(), with_settings(sub_cell="yes"))
