import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pfa_core.config.net import NetConfig
from pfa_core.errors import ConfigInvalid, ModelDamaged
from pfa_core.manifest import Lineage, Manifest, ModelConfig
from pfa_core.models import build, load_model, read_manifest, save_model
from tests.unit.pfa_core.every_model import Case, case_of, every_model

LINEAGE = Lineage(
    parent="poses@3", objective="ranking", dataset="weizmann", items_sha256=("aa", "bb"), job="job-7", seed=4,
    code="0.1.0", created="2026-01-02T03:04:05Z",
)  # fmt: skip
METRICS: dict[str, Any] = {"accuracy": 0.875, "per_class": {"bend": 1.0}, "steps": 12}
FILES = ("model.safetensors", "config.json", "metrics.json", "README.md", "manifest.json")


def save(folder: Path, case: Case | None = None, *, seed: int = 0) -> Manifest:
    case = case or case_of("action")
    return save_model(folder, case.new(seed), config=case.config, lineage=LINEAGE, metrics=METRICS)


@every_model
def test_forward_gives_the_shape(case: Case) -> None:
    assert case.answer(case.new()).shape == case.shape


@every_model
def test_backward_reaches_every_parameter(case: Case) -> None:
    net = case.new().train()
    answer = case.answer(net)
    (answer * torch.randn(answer.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@every_model
def test_loaded_equals_saved(case: Case, tmp_path: Path) -> None:
    net = case.new().train()
    case.answer(net)  # moves the running statistics away from their start
    written = save_model(tmp_path / "model", net, config=case.config, lineage=LINEAGE, metrics=METRICS)
    loaded, manifest = load_model(tmp_path / "model")

    assert type(loaded) is type(net)
    assert loaded.state_dict().keys() == net.state_dict().keys()
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(case.answer(loaded), case.answer(net.eval()))
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert not any(tensor.is_meta for tensor in [*loaded.parameters(), *loaded.buffers()])
    assert manifest == written
    assert manifest.lineage == LINEAGE
    assert manifest.metrics == METRICS
    assert replace(manifest.config, version="") == case.config


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    save(tmp_path / "model")
    before = torch.get_rng_state()
    load_model(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before)


def test_channels_last_weights_are_saved_as_they_are(tmp_path: Path) -> None:
    case = case_of("pose")
    net = case.new()
    for parameter in net.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    save_model(tmp_path / "model", net, config=case.config, lineage=LINEAGE, metrics={})
    loaded, _ = load_model(tmp_path / "model")
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), net.parameters(), strict=True))


def test_the_folder_holds_these_files_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    manifest = save(tmp_path / "deep" / "model")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["model"]
    assert sorted(path.name for path in (tmp_path / "deep" / "model").iterdir()) == sorted(FILES)
    assert set(manifest.files) == set(FILES) - {"manifest.json"}


def test_a_model_is_replaced_but_other_files_are_not(tmp_path: Path) -> None:
    save(tmp_path / "model", seed=1)
    save(tmp_path / "model", seed=2)
    expected = case_of("action").new(2).state_dict()
    loaded = load_model(tmp_path / "model")[0].state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in expected.items())
    assert [path.name for path in tmp_path.iterdir()] == ["model"]

    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(ConfigInvalid, match="holiday"):
        save(tmp_path / "holiday")
    assert (tmp_path / "holiday" / "photo.jpg").read_bytes() == b"mine"


def test_metrics_that_are_not_json_leave_nothing_behind(tmp_path: Path) -> None:
    case = case_of("action")
    with pytest.raises(TypeError):
        save_model(tmp_path / "model", case.new(), config=case.config, lineage=LINEAGE, metrics={"x": object()})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelDamaged, match=name.replace(".", r"\.")):
        load_model(tmp_path)


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_a_single_changed_bit_is_found(tmp_path: Path, name: str) -> None:
    save(tmp_path)
    content = (tmp_path / name).read_bytes()
    middle = len(content) // 2
    (tmp_path / name).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    with pytest.raises(ModelDamaged, match=name.replace(".", r"\.")) as caught:
        load_model(tmp_path)
    assert caught.value.facts["file"] == name


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": {}, "lineage": {}}', '{"files": 3, "lineage": 4}', "\0"]
)
def test_a_manifest_that_says_nothing_is_damage(tmp_path: Path, content: str) -> None:
    save(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ModelDamaged):
        load_model(tmp_path)


def test_weights_of_another_network_are_damage_even_unverified(tmp_path: Path) -> None:
    save(tmp_path / "a")
    save(tmp_path / "b", case_of("pose"))
    (tmp_path / "b" / "model.safetensors").replace(tmp_path / "a" / "model.safetensors")
    with pytest.raises(ModelDamaged, match="weights"):
        load_model(tmp_path / "a", verify=False)


def test_a_cut_weights_file_is_damage_even_unverified(tmp_path: Path) -> None:
    save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ModelDamaged):
        load_model(tmp_path, verify=False)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    save(tmp_path)
    torch.save({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelDamaged):
        load_model(tmp_path, verify=False)


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(kind="pose", net=NetConfig()),
        ModelConfig(kind="action", net=NetConfig()),
        ModelConfig(kind="dream", net=NetConfig()),  # type: ignore[arg-type]  # what a newer version may write
    ],
)
def test_a_configuration_without_what_its_kind_needs_is_damage(config: ModelConfig) -> None:
    with pytest.raises(ModelDamaged, match=config.kind):
        build(config)


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    save(tmp_path)
    plain = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(plain | {"format": 99}))
    with pytest.raises(ModelDamaged, match="layout 99"):
        read_manifest(tmp_path, verify=False)


def test_two_streams_are_told_and_older_folders_have_one(tmp_path: Path) -> None:
    lineage = replace(LINEAGE, motion_start="pretrained")
    case = case_of("two streams")
    save_model(tmp_path / "two", case.new(), config=case.config, lineage=lineage, metrics={})
    card = (tmp_path / "two" / "README.md").read_text()
    for said in ("two streams", "| streams | appearance, motion (24 flow maps) |", "began as | pretrained weights |"):
        assert said in card
    assert read_manifest(tmp_path / "two").lineage.motion_start == "pretrained"
    plain = json.loads((tmp_path / "two" / "config.json").read_text())
    del plain["two_stream"]
    assert not ModelConfig.from_json(plain).two_stream


def test_the_card_says_what_it_is_how_good_and_from_where(tmp_path: Path) -> None:
    save(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert card.startswith("# action model\n")
    for said in (
        "bend, jump, wave",
        "| accuracy | 0.875 |",
        "poses@3",
        "weizmann",
        "job-7",
        "| seed | 4 |",
        "| objective | ranking |",
        "2 (sha256",
    ):
        assert said in card
    assert "load_model(" in card
    assert "per_class" not in card
