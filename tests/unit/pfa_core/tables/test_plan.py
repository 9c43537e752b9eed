"""The order of the cells, and which there are."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pfa_core.clips import LabelledClip
from pfa_core.config import tables as presets
from pfa_core.config.tables import TablesConfig
from pfa_core.errors import ConfigInvalid, DatasetUnsuitable
from pfa_core.people import Person
from pfa_core.tables.plan import plan
from pfa_core.tables.sources import ActionSet, PoseSet, TablesData, VideoSource
from tests.unit.pfa_core.pictures import JOINTS


def action_set(name: str, *, test: int = 1) -> ActionSet:
    splits = ["train", "train", *["test"] * test]
    clips = tuple(
        LabelledClip(name=f"{name}{n}", label="ab"[n % 2], path=Path(f"{name}{n}"), split=split)
        for n, split in enumerate(splits)
    )
    return ActionSet(name=name, clips=clips, contents={clip.path: f"sha of {clip.name}" for clip in clips})


def pose_set() -> PoseSet:
    people = tuple(
        Person(image=Path(str(n)), joints={"nose": (1.0, 1.0, 2)}, split=split)
        for n, split in enumerate(["train", "test"])
    )
    return PoseSet(name="people", joints=JOINTS, people=people, contents={p.image: str(p.image) for p in people})


DATA = TablesData(
    videos=(VideoSource(name="v", sha256="0", pack=Path("v")),),
    action=(action_set("gym"), action_set("street")),
    pose=(pose_set(),),
    static=(action_set("photos"), action_set("frames")),
    stills_of={"frames": "gym"},
)
CONFIG = replace(presets.small(), seeds=3, fewer_seeds={"steady": 1}, fraction_seeds=2)


def test_the_first_seed_of_everything_comes_before_the_second_of_anything() -> None:
    cells = plan(CONFIG, DATA, given={})
    assert len(set(cells)) == len(cells)
    learned = [cell for cell in cells if cell.task == "learn"]
    assert cells[: len(learned)] == learned
    assert [cell.initialisation for cell in learned] == ["motion", "ranking", "steady", "action"]
    seeds = [cell.seed for cell in cells]
    assert seeds == sorted(seeds)
    first = [cell.fraction for cell in cells if cell.seed == 0 and cell.task in ("pose", "action")]
    assert first == sorted(first, reverse=True), "all labels first"


def test_there_are_as_many_runs_as_was_asked_for() -> None:
    runs = Counter((c.task, c.initialisation, c.layers, c.fraction) for c in plan(CONFIG, DATA, given={}) if c.data)
    assert runs["pose", "random", "full", 1.0] == runs["pose", "motion", "full", 1.0] == 3
    assert runs["pose", "motion", "full", 0.1] == 2
    assert runs["pose", "steady", "full", 1.0] == runs["pose", "steady", "full", 0.3] == 1
    assert runs["action", "motion", "last2", 1.0] == 2 * 3, "two sets"
    assert runs["action", "motion", "last2", 0.1] == runs["action", "random", "last2", 1.0] == 0
    assert runs["action", "random", "two_stream", 1.0] == runs["action", "ranking", "two_stream", 1.0] == 2 * 3
    assert runs["action", "motion", "two_stream", 0.1] == 0
    assert runs["static", "ranking", "full", 1.0] == 2 * 3
    assert runs["static", "ranking", "full", 0.1] == 0


def test_images_have_one_stream() -> None:
    """And so has everything where no second one is asked for, as in the paper."""
    stills = ActionSet(
        name="gym", clips=tuple(replace(clip, still=True) for clip in action_set("gym").clips),
        contents=action_set("gym").contents,
    )  # fmt: skip
    layers = {cell.layers for cell in plan(CONFIG, replace(DATA, action=(stills,)), given={})}
    assert layers == {"full", "last2"}
    assert {cell.layers for cell in plan(replace(CONFIG, two_stream=False), DATA, given={})} == {"full", "last2"}
    assert not presets.paper().two_stream


def test_labels_that_an_initialisation_has_seen_are_not_learned_again() -> None:
    cells = [cell for cell in plan(CONFIG, DATA, given={}) if cell.initialisation == "action" and cell.data]
    assert {(cell.task, cell.data) for cell in cells} == {("pose", "people"), ("static", "photos")}


def test_a_given_model_is_not_trained_and_may_have_any_name() -> None:
    config = replace(CONFIG, initialisations=("random", "motion", "imagenet"))
    given = {"motion": Path("m"), "imagenet": Path("i")}
    cells = plan(config, replace(DATA, videos=()), given=given)
    assert not [cell for cell in cells if cell.task == "learn"]
    assert {cell.initialisation for cell in cells} == {"random", "motion", "imagenet"}
    with pytest.raises(ConfigInvalid, match="imagenet"):
        plan(config, DATA, given={"motion": Path("m")})


@pytest.mark.parametrize(("names", "what"), [(("random", "steady"), "videos"), (("random", "action"), "clips")])
def test_what_has_nothing_to_learn_from_is_said(names: tuple[str, ...], what: str) -> None:
    with pytest.raises(ConfigInvalid, match=what):
        plan(replace(CONFIG, initialisations=names), TablesData(pose=(pose_set(),)), given={})


def test_several_models_of_an_objective_are_used_in_turn() -> None:
    config = replace(CONFIG, pretraining_seeds=2, first_seed=5)
    learned = [(c.initialisation, c.seed) for c in plan(config, DATA, given={}) if c.task == "learn"]
    assert learned == [("motion", 5), ("ranking", 5), ("steady", 5), ("action", 5),
                       ("motion", 6), ("ranking", 6), ("action", 6)]  # fmt: skip
    assert [config.pretraining_seed(seed) for seed in (5, 6, 7)] == [5, 6, 5]


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": 0}, {"fractions": (0.1, 0.3)}, {"fractions": (0.0, 1.0)}, {"fraction_seeds": 9},
        {"fewer_seeds": {"motion": 9}}, {"initialisations": ("motion",)}, {"initialisations": ("random", "random")},
        {"static_images": 0}, {"first_seed": -1}, {"pretraining_seeds": 0},
    ],
)  # fmt: skip
def test_configurations_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid, match=next(iter(changes)).removesuffix("s")):
        replace(CONFIG, **changes)


def test_networks_that_cannot_start_from_each_other_are_refused() -> None:
    def wide(config: TablesConfig) -> TablesConfig:
        return replace(config, pose=replace(config.pose, net=replace(config.pose.net, width=0.5)))

    with pytest.raises(ConfigInvalid, match=r"net\.width"):
        wide(CONFIG)


def test_a_set_without_test_items_is_refused_with_what_to_do() -> None:
    with pytest.raises(DatasetUnsuitable, match="split"):
        action_set("gym", test=0)


def test_a_test_clip_can_never_be_pretrained_on() -> None:
    tested = VideoSource(name="v", sha256="sha of gym2", pack=Path("v"))
    with pytest.raises(AssertionError):
        TablesData(videos=(tested,), action=(action_set("gym"),))
