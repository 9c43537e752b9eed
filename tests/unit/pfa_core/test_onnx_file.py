"""Exported ONNX files: checked by ONNX itself, run by ONNX Runtime as somebody without this library would."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from pfa_core.config.net import Norm
from pfa_core.models import appearance_of
from pfa_core.nets.preprocess import normalise_flow
from pfa_core.onnx_file import METADATA_KEY, OPSET, save_onnx
from tests.unit.pfa_core.every_model import CROP_PX, Kind, case_of
from tests.unit.pfa_core.test_executors import NORMS, error, trained
from tests.unit.pfa_core.test_predict import two_stream_config, two_stream_net

Pixels = NDArray[np.uint8]


def pixels(num: int) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (num, 3, CROP_PX, CROP_PX), dtype=np.uint8)


def session_of(path: Path) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def normalised(images: Pixels) -> torch.Tensor:
    """By hand: (x / 255 - mean) / std."""
    return torch.from_numpy((images.astype(np.float32) / 255 - 0.45) / 0.225)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("kind", "output"), [("pose", "heatmaps"), ("appearance", "fc6"), ("triplet", "fc6"), ("action", "scores")]
)
def test_onnx_runtime_answers_as_torch(tmp_path: Path, kind: Kind, norm: Norm, output: str) -> None:
    net: nn.Module = trained(kind, norm)
    save_onnx(net, case_of(kind, norm).config, tmp_path / "model.onnx")
    session = session_of(tmp_path / "model.onnx")
    runs = appearance_of(net) if output == "fc6" else net
    for num in (1, 3):
        with torch.no_grad():
            exact = runs(normalised(pixels(num)))
        (found,) = session.run([output], {"images": pixels(num)})
        assert error(torch.from_numpy(found), exact) < 1e-5


def test_both_streams_are_in_one_file(tmp_path: Path) -> None:
    net, config = two_stream_net(), two_stream_config()
    save_onnx(net, config, tmp_path / "model.onnx")
    session = session_of(tmp_path / "model.onnx")
    side = config.net.crop_px
    blocks = np.random.default_rng(1).integers(-127, 128, (2, config.flow_maps, side, side), dtype=np.int8)
    found = session.run(["scores", "motion_scores"], {"images": pixels(3), "blocks": blocks})
    bound_px = config.settings["motion"]["pack"]["bound_px"]
    with torch.no_grad():
        exact = net(normalised(pixels(3)), normalise_flow(torch.from_numpy(blocks), bound_px=bound_px))
    for ours, theirs in zip(found, exact, strict=True):
        assert error(torch.from_numpy(ours), theirs) < 1e-5


def test_the_file_says_what_one_must_know(tmp_path: Path) -> None:
    case = case_of("pose")
    save_onnx(case.new(), case.config, tmp_path / "model.onnx")
    made = onnx.load(tmp_path / "model.onnx")
    assert [(one.domain, one.version) for one in made.opset_import] == [("", OPSET)]
    facts = json.loads({prop.key: prop.value for prop in made.metadata_props}[METADATA_KEY])
    assert case.config.joints is not None
    images, heatmaps = facts["inputs"]["images"], facts["outputs"]["heatmaps"]
    assert (images["layout"], images["channels"], images["mean"], images["std"]) == ("NCHW", "RGB", 0.45, 0.225)
    assert images["normalised_inside"] is True
    assert heatmaps["joints"] == list(case.config.joints.names)
    assert "side / h" in heatmaps["cells_to_image"]
