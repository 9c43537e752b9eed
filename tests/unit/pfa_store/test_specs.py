"""Job requests: presets, overrides, and what is refused."""

import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from pfa_core.config import action, pose, pretrain, ranking, steady, untrained
from pfa_core.config.augment import AugmentConfig
from pfa_core.config.untrained import UntrainedConfig
from pfa_core.errors import ConfigInvalid
from pfa_store.specs import EvaluateSpec, FinetuneSpec, FlowSpec, IndexSpec, Objective, Preset, PretrainSpec


def test_a_preset_alone_is_the_preset() -> None:
    assert PretrainSpec().resolve() == pretrain.small()
    assert PretrainSpec(preset="paper").resolve() == pretrain.paper()
    assert FinetuneSpec(task="pose", name="x", preset="paper").resolve() == pose.paper()
    assert FinetuneSpec(task="action", name="x").resolve() == action.small()


@pytest.mark.parametrize("objective", ["motion", "ranking", "steady"])
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_flow_makes_the_packs_that_every_objective_uses(preset: Preset, objective: Objective) -> None:
    config = PretrainSpec(preset=preset, objective=objective).resolve()
    assert not isinstance(config, UntrainedConfig)
    assert FlowSpec(preset=preset).resolve() == config.pack


def test_each_objective_has_its_presets() -> None:
    for objective, presets in (("motion", pretrain), ("ranking", ranking), ("steady", steady), ("random", untrained)):
        spec = {"objective": objective}
        assert PretrainSpec.model_validate(spec).resolve() == presets.small()
        assert PretrainSpec.model_validate(spec | {"preset": "paper"}).resolve() == presets.paper()
    with pytest.raises(ValidationError, match="objective"):
        PretrainSpec.model_validate({"objective": "rankign"})


@pytest.mark.parametrize(
    ("objective", "key"), [("motion", "margin"), ("ranking", "slow_weight"), ("steady", "margin"), ("random", "learn")]
)
def test_a_key_of_another_objective_is_refused(objective: Objective, key: str) -> None:
    with pytest.raises(ConfigInvalid, match=f"config.{key}: there is no such key"):
        PretrainSpec(objective=objective, config={key: 1}).resolve()


def test_an_override_changes_one_value() -> None:
    small = pretrain.small()
    config = PretrainSpec(config={"learn": {"steps": 7}, "gap_frames": 3}).resolve()
    assert config == replace(small, gap_frames=3, learn=replace(small.learn, steps=7))


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"stepz": 1}, "config.stepz"),
        ({"learn": {"stepz": 1}}, "config.learn.stepz: there is no such key; there are batch_size, steps, "),
        ({"learn": {"steps": "many"}}, "config.learn.steps"),
        ({"learn": 3}, "config.learn"),
        ({"gap_frames": 0}, "gap_frames"),
        ({"net": {"crop_px": 512}}, "short_side_px"),
    ],
)
def test_a_wrong_override_is_named(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigInvalid, match=named):
        PretrainSpec(config=config).resolve()


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "../x", "x" * 81])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(ValidationError):
        PretrainSpec(name=name)


def test_no_model_is_called_as_no_model_is() -> None:
    """`init: random` means random weights, so that a model of that name could not be started from."""
    for spec in (PretrainSpec, FinetuneSpec):
        with pytest.raises(ValidationError, match="choose another name"):
            spec.model_validate({"name": "random", "task": "pose"} if spec is FinetuneSpec else {"name": "random"})


@pytest.mark.parametrize("ref", ["a", "a@1", "walker.v2@production"])
def test_models_are_named_with_or_without_version(ref: str) -> None:
    assert EvaluateSpec(model=ref).model == ref


@pytest.mark.parametrize("ref", ["", "@1", "a@", "a@b@c", "a/b"])
def test_other_model_names_are_refused(ref: str) -> None:
    with pytest.raises(ValidationError):
        EvaluateSpec(model=ref)


def test_a_job_takes_a_data_set_or_videos() -> None:
    with pytest.raises(ValidationError, match="not both"):
        PretrainSpec(dataset="d", videos=["v"])


def test_a_spec_survives_the_database() -> None:
    spec = IndexSpec(dataset="d", collection="c", model="m@1", every_frames=3, seed=4)
    assert IndexSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"augment": {"rotation": 5}}, "config.augment.rotation: there is no such key; there are scale, rotation_deg"),
        ({"augment": {"scale": 2}}, "scale must lie in 0..1"),
        ({"frozen_layers": 6}, "frozen_layers must lie in 0..5"),
        ({"backbone_rate": 0}, "backbone_rate must lie in"),
        ({"backbone_rate": 1.5}, "backbone_rate must lie in"),
        ({"sub_cell": "perhaps"}, "config.sub_cell"),
    ],
)
def test_pose_options_are_checked(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigInvalid, match=re.escape(named)):
        FinetuneSpec(task="pose", name="x", config=config).resolve()


def test_one_change_of_crops_leaves_the_others_off() -> None:
    config = FinetuneSpec(task="pose", name="x", config={"augment": {"rotation_deg": 20}}).resolve()
    assert config == replace(pose.small(), augment=AugmentConfig(rotation_deg=20))
