"""Models that leave in one form and come back answer as before; what is no model is refused by name."""

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pfa_core.config.net import Norm
from pfa_core.errors import ConfigInvalid, ModelUnreadable
from pfa_core.manifest import Lineage
from pfa_core.model_export import CONFIG_KEY, FACTS_FILE, FACTS_KEY, export_model
from pfa_core.model_import import IMPORTED, import_folder, import_weights
from pfa_core.models import load_model, save_model
from pfa_core.predict import PosePredictor
from pfa_core.vggm_weights import NAMES, VggmInput
from tests.unit.pfa_core.every_model import Case, Kind, case_of
from tests.unit.pfa_core.test_executors import NORMS, error
from tests.unit.pfa_core.test_predict import image, two_stream_config, two_stream_net

PLAIN = VggmInput()


def saved(case: Case, folder: Path, seed: int = 0) -> Path:
    save_model(folder, case.new(seed), config=case.config, lineage=Lineage(seed=seed), metrics={"loss": 0.5})
    return folder


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["triplet", "appearance", "pose", "action"])
def test_a_safetensors_file_comes_back(tmp_path: Path, kind: Kind, norm: Norm) -> None:
    case = case_of(kind, norm)
    export_model(saved(case, tmp_path / "model"), tmp_path / "out.safetensors", form="safetensors")
    manifest = import_weights(tmp_path / "out.safetensors", tmp_path / "again", config=None, vggm=PLAIN)
    assert (manifest.lineage.objective, manifest.config.settings) == (IMPORTED, case.config.settings)
    ours, theirs = load_model(tmp_path / "model")[0], load_model(tmp_path / "again")[0]
    with torch.no_grad():
        assert torch.equal(case.answer(ours), case.answer(theirs))


def test_two_streams_come_back_with_how_their_flow_is_measured(tmp_path: Path) -> None:
    net, config = two_stream_net(), two_stream_config()
    save_model(tmp_path / "model", net, config=config, lineage=Lineage(), metrics={})
    export_model(tmp_path / "model", tmp_path / "out.safetensors", form="safetensors")
    import_weights(tmp_path / "out.safetensors", tmp_path / "again", config=None, vggm=PLAIN)
    module, manifest = load_model(tmp_path / "again")
    assert manifest.config.settings == load_model(tmp_path / "model")[1].config.settings
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in module.state_dict().items())


def test_a_folder_comes_back_with_its_past(tmp_path: Path) -> None:
    before = saved(case_of("pose"), tmp_path / "model", seed=3)
    export_model(before, tmp_path / "out", form="folder")
    assert PosePredictor.load(tmp_path / "out", device="cpu")(image()).scores.shape == (9,)
    assert json.loads((tmp_path / "out" / FACTS_FILE).read_text())["kind"] == "pose"
    manifest = import_folder(tmp_path / "out", tmp_path / "again")
    assert manifest == load_model(before)[1]
    assert load_model(tmp_path / "again")[1] == manifest


def test_a_zip_holds_the_folder(tmp_path: Path) -> None:
    export_model(saved(case_of("pose"), tmp_path / "model"), tmp_path / "out.zip", form="folder")
    zipfile.ZipFile(tmp_path / "out.zip").extractall(tmp_path / "unpacked")
    assert load_model(tmp_path / "unpacked")[1] == load_model(tmp_path / "model")[1]


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    saved(case_of("pose"), tmp_path / "model")
    with pytest.raises(ConfigInvalid, match="exists"):
        export_model(tmp_path / "model", tmp_path / "model", form="folder")


def test_the_metadata_say_how_to_prepare_an_image(tmp_path: Path) -> None:
    export_model(saved(case_of("pose"), tmp_path / "model"), tmp_path / "out.safetensors", form="safetensors")
    with safe_open(tmp_path / "out.safetensors", framework="pt") as opened:
        facts = json.loads(opened.metadata()[FACTS_KEY])
    assert facts["inputs"]["images"]["normalised_inside"] is False
    assert facts["inputs"]["images"]["mean"] == 0.45


def test_a_folder_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = saved(case_of("pose"), tmp_path / "model")
    (folder / "metrics.json").write_text("{}")
    with pytest.raises(ModelUnreadable, match=r"metrics\.json"):
        import_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def weights_of(case: Case) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in case.new().state_dict().items()}


def _without(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name != "heatmaps.bias"}


def _more(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "extra": torch.zeros(1)}


def _shaped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "heatmaps.bias": torch.zeros(4)}


def _nan(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "heatmaps.bias": torch.full((9,), torch.nan)}


def _bytes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**state, "heatmaps.bias": torch.zeros(9, dtype=torch.uint8)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without, "heatmaps.bias is missing"),
        (_more, "extra has no place"),
        (_shaped, r"heatmaps.bias has the shape \[4\], and \[9\]"),
        (_nan, "not finite"),
        (_bytes, "floating-point"),
    ],
)
def test_weights_of_another_network_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], says: str
) -> None:
    case = case_of("pose")
    save_file(change(weights_of(case)), tmp_path / "odd.safetensors")
    config = json.dumps(case.config.to_json()).encode()
    with pytest.raises(ModelUnreadable, match=says):
        import_weights(tmp_path / "odd.safetensors", tmp_path / "out", config=config, vggm=PLAIN)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "config",
    [
        b"no JSON", b"[1]", b"{}", b'{"format": 1}',
        b'{"format": 1, "kind": "pose", "net": {"width": 9}, "joints": ["nose"], "labels": [], "flow_maps": 24, '
        b'"settings": {}, "version": ""}',
        b'{"format": 1, "kind": "other", "net": {}, "joints": null, "labels": [], "flow_maps": 24, "settings": {}, '
        b'"version": ""}',
        b'{"format": 1, "kind": "action", "net": {"width": "1"}, "joints": null, "labels": ["a"], "flow_maps": 24, '
        b'"settings": {}, "version": ""}',
        b'{"format": 1, "kind": "action", "net": {}, "joints": null, "labels": [1], "flow_maps": 24, "settings": {}, '
        b'"version": ""}',
        b'{"format": 1, "kind": "action", "net": {}, "joints": null, "labels": ["a"], "flow_maps": 24, "settings": 5, '
        b'"version": ""}',
        b'{"format": 1, "kind": "triplet", "net": {}, "joints": null, "labels": [], "flow_maps": "24", "settings": {}, '
        b'"version": ""}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_configuration_that_describes_nothing_is_refused(tmp_path: Path, config: bytes) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelUnreadable, match="configuration"):
        import_weights(tmp_path / "a.safetensors", tmp_path / "out", config=config, vggm=PLAIN)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps({"weight": [1.0]}))
    with pytest.raises(ModelUnreadable, match="Pickled"):
        import_weights(tmp_path / "model.pt", tmp_path / "out", config=None, vggm=PLAIN)


def foreign() -> nn.Sequential:
    """A VGG-M as a user of torch writes it, an eighth as wide, which looks at 64 px."""
    torch.manual_seed(5)
    maps = [nn.Conv2d(3, 16, 7, 2), nn.Conv2d(16, 32, 5, 2, 1)]
    maps += [nn.Conv2d(32, 64, 3, 1, 1), nn.Conv2d(64, 64, 3, 1, 1), nn.Conv2d(64, 64, 3, 1, 1)]
    parts: list[nn.Module] = []
    for place, conv in enumerate(maps):
        parts += [conv, nn.ReLU()]
        if place < 2:
            parts += [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0), nn.MaxPool2d(3, 2, ceil_mode=True)]
    return nn.Sequential(*parts, nn.MaxPool2d(3, 2, ceil_mode=True), nn.Flatten(), nn.Linear(64, 512), nn.ReLU())


def named(net: nn.Sequential, names: tuple[str, ...]) -> dict[str, Tensor]:
    layers = [part for part in net if isinstance(part, nn.Conv2d | nn.Linear)]
    state = {"prob.weight": torch.zeros(3)}  # what a file has besides
    for name, layer in zip(names, layers, strict=True):
        assert layer.bias is not None
        state |= {f"{name}.weight": layer.weight.detach().clone(), f"{name}.bias": layer.bias.detach().clone()}
    return state


@pytest.mark.parametrize("names", list(NAMES.values()), ids=list(NAMES))
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
def test_a_foreign_vggm_gives_the_features_that_it_gave(tmp_path: Path, names: tuple[str, ...], channels: str) -> None:
    net, mean, std = foreign(), (103.9, 116.8, 123.7), (1.0, 1.5, 2.0)
    save_file(named(net, names), tmp_path / "foreign.safetensors")
    vggm = VggmInput(channels="BGR" if channels == "BGR" else "RGB", mean=mean, std=std)
    import_weights(tmp_path / "foreign.safetensors", tmp_path / "model", config=None, vggm=vggm)
    ours, manifest = load_model(tmp_path / "model")
    assert (manifest.config.kind, manifest.config.net.crop_px) == ("appearance", 64)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64)).astype(np.float32))
    theirs_in = pixels.flip(1) if channels == "BGR" else pixels
    with torch.no_grad():
        exact = net((theirs_in - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1))
        assert error(ours((pixels / 255 - 0.45) / 0.225), exact) < 1e-4


def test_weights_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    save_file({"layer1.weight": torch.zeros(3, 3)}, tmp_path / "odd.safetensors")
    with pytest.raises(ModelUnreadable, match=r"config\.json"):
        import_weights(tmp_path / "odd.safetensors", tmp_path / "out", config=None, vggm=PLAIN)
    state = named(foreign(), NAMES["Caffe and MatConvNet"])
    save_file({**state, "conv3.weight": torch.zeros(64, 32, 5, 5)}, tmp_path / "shape.safetensors")
    with pytest.raises(ModelUnreadable, match="conv3"):
        import_weights(tmp_path / "shape.safetensors", tmp_path / "out", config=None, vggm=PLAIN)


def test_the_metadata_key_is_what_import_reads(tmp_path: Path) -> None:
    case = case_of("pose")
    save_file(weights_of(case), tmp_path / "by-hand.safetensors", {CONFIG_KEY: json.dumps(case.config.to_json())})
    manifest = import_weights(tmp_path / "by-hand.safetensors", tmp_path / "out", config=None, vggm=PLAIN)
    assert manifest.config.joints == case.config.joints
