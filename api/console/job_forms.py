"""The forms that start jobs: which fields each has, and what they mean."""

from collections.abc import Callable, Mapping
from typing import Literal

from api.console.form_fields import (
    Field,
    config_field,
    dataset_field,
    datasets_field,
    model_field,
    name_field,
    preset_field,
    priority_field,
    seed_field,
    videos_field,
)
from api.console.visitor import Form
from api.uses import KINDS_FOR
from pfa_core.config.tables import LEARNED, RANDOM
from pfa_store.store import Store

FormKind = Literal["pretrain", "finetune", "predict", "evaluate", "index", "flow", "tables"]
KINDS: dict[FormKind, str] = {
    "pretrain": "Learn pose features from the motion in unlabelled videos.",
    "finetune": "Train a pose or an action model on a few labels, best from a pretrained model.",
    "predict": "Find the poses of videos frame by frame, or their actions second by second.",
    "evaluate": "Score a pose or an action model on a data set.",
    "index": "Fill a collection with pose features, so that nearest poses can be found in it.",
    "flow": "Measure the motion in videos ahead of time; later jobs reuse it.",
    "tables": "Compare ways to begin under one budget: does pretraining help on your data?",
}
"""In the order in which people need them."""
TASKS: Mapping[FormKind, Mapping[str, str]] = {
    "predict": {"pose": "Poses, frame by frame", "action": "Actions, second by second"}
}
"""Forms that differ by task, each of which is a page; with the words of each."""
STEPS = '{"learn": {"steps": 500}}'


def fields_of(kind: FormKind, store: Store, task: str) -> list[Field]:
    """The fields of a form, with what there is to choose from; `task` is one of TASKS, where the kind is there."""
    if kind == "predict":
        return _predict_pose(store) if task == "pose" else _predict_action(store)
    return _OWN[kind](store)


def task_of(kind: FormKind, form: Form) -> str:
    """The task whose form is shown; empty where the form is the same for all."""
    tasks = TASKS.get(kind, {})
    return form.one("task") if form.one("task") in tasks else next(iter(tasks), "")


def _learned() -> list[Field]:
    return [preset_field(), seed_field(), priority_field(), config_field("Changes to the preset", STEPS)]


def _pretrain(store: Store) -> list[Field]:
    return [
        dataset_field(store, "videos", "Videos to learn from; they need no labels."),
        name_field("pretrained"),
        Field(
            name="objective", label="Objective", default="motion",
            options=(
                ("motion", "motion: the paper's own"), ("ranking", "ranking: tracked patches"),
                ("steady", "steady: temporal coherence"),
            ),
            help="What it learns by. The others are there to compare with.",
        ),
        *_learned(),
    ]  # fmt: skip


def _finetune(store: Store) -> list[Field]:
    return [
        Field(
            name="task", label="Task", default="pose", options=(("pose", "pose: joints"), ("action", "action: labels")),
            help="Pose needs images with joints, action needs videos or images with labels.",
        ),
        dataset_field(store, None, "What to learn from, with labels."),
        model_field(
            store, KINDS_FOR["features"], name="init", label="Start from", last=((RANDOM, "random weights"),),
            help="A pretrained model saves most of the labels. Its preset must be the same as this job's.",
        ),
        name_field(""),
        *_learned(),
    ]  # fmt: skip


def _flow(store: Store) -> list[Field]:
    return [dataset_field(store, "videos", "Videos whose motion is measured."), *_learned()]


def _evaluate(store: Store) -> list[Field]:
    return [
        model_field(store, ("pose", "action"), name="model", label="Model", help="The model to score."),
        dataset_field(store, None, "What to score it on."),
        Field(
            name="split", label="Split", default="test", options=tuple((each, each) for each in ("test", "val", "all")),
            help="Which items count; a data set without splits counts as a whole.",
        ),
        seed_field(), priority_field(),
    ]  # fmt: skip


def _index(store: Store) -> list[Field]:
    return [
        Field(name="collection", label="Collection", help="Its name; it is made if there is none, else filled anew."),
        model_field(store, KINDS_FOR["features"], name="model", label="Model", help="Whose features it holds."),
        dataset_field(store, None, "The images or videos that can be found in it."),
        Field(
            name="every_frames", label="One frame in", number="integer", default="5",
            help="Of videos: 1 takes all frames, 5 one in five.",
        ),
        seed_field(), priority_field(),
    ]  # fmt: skip


def _videos_looked_at(store: Store) -> list[Field]:
    none = "none: the videos below"
    return [dataset_field(store, "videos", "Videos to look at.", none=none), videos_field(store)]


def _predict_pose(store: Store) -> list[Field]:
    return [
        model_field(store, KINDS_FOR["pose"], name="model", label="Model", help="A pose model; its joints are found."),
        *_videos_looked_at(store),
        Field(
            name="config.detect", label="People", default="off",
            options=(("off", "one: the whole frame shows them"), ("hog", "find upright people")),
            help="Boxes that stay where they are go into the other settings.",
        ),
        Field(
            name="config.frame_step", label="One frame in", number="integer", default="1",
            help="1 looks at every frame; 5 at one in five, and is done five times as soon.",
        ),
        Field(
            name="config.smoothing", label="Smoothing", default="off",
            options=(("off", "off: each frame by itself"), ("one_euro", "one euro: steady at rest, quick in motion")),
            help="Of the keypoints over time.",
        ),
        Field(
            name="config.overlay", label="Video with skeletons", default="true",
            options=(("true", "make one of each video"), ("false", "none: figures alone")),
            help="To look at here, or to download.",
        ),
        priority_field(),
        config_field("Other settings", '{"boxes": [[10, 20, 80, 160]]}'),
    ]  # fmt: skip


def _predict_action(store: Store) -> list[Field]:
    return [
        model_field(store, KINDS_FOR["action"], name="model", label="Model", help="An action model."),
        *_videos_looked_at(store),
        Field(
            name="config.window_s", label="Window, seconds", number="any", default="2",
            help="So much of the video is judged at once.",
        ),
        Field(
            name="config.stride_s", label="A window every, seconds", number="any", default="1",
            help="From the beginning of one window to that of the next.",
        ),
        Field(
            name="config.protocol", label="How closely", default="fast",
            options=(("fast", "fast: 5 frames of a window"), ("crops250", "crops250: the paper's test, 25 frames")),
            help="The paper's test takes about 25 times as long.",
        ),
        Field(
            name="config.top", label="Labels told", number="integer", default="5",
            help="Of each window, and of the video: the likeliest.",
        ),
        priority_field(),
        config_field("Other settings", '{"top": 3}'),
    ]  # fmt: skip


def _tables(store: Store) -> list[Field]:
    return [
        datasets_field(
            store, "pose", "Poses: tables 1 and 2", kind="images", joints=True,
            help="Images with joints, some of them marked test.",
        ),
        datasets_field(
            store, "action", "Actions: table 3", kind="videos", joints=None,
            help="Clips with labels, some of them marked test.",
        ),
        datasets_field(
            store, "frames_of", "Still images of clips: table 4", kind="videos", joints=None,
            help="Sets chosen for table 3 whose frames also serve as still images.",
        ),
        datasets_field(
            store, "static", "Still images: table 4", kind="images", joints=False,
            help="Images with labels, some of them marked test.",
        ),
        Field(
            name="config.initialisations", label="Ways to begin", required=False, many=(RANDOM, *LEARNED),
            options=(
                (RANDOM, "random: all others are compared with it"), ("motion", "motion: the paper's own"),
                ("ranking", "ranking: tracked patches"), ("steady", "steady: temporal coherence"),
                ("action", "action: learned from the labels of table 3"),
            ),
            help="Each is a row of the tables. What is learned without labels needs videos, or a model of yours.",
        ),
        dataset_field(
            store, "videos", "What the ways to begin learn from, unless a model is given.",
            label="Videos to pretrain on", none="none: models are given",
        ),
        *(
            model_field(
                store, KINDS_FOR["features"], name=f"init.{name}", label=f"Model for {name}",
                help="A model of yours saves the pretraining.", first=(("", "none: trained in the job"),),
            )
            for name in ("motion", "ranking", "steady")
        ),
        Field(
            name="config.seeds", label="Seeds", number="integer", default="5",
            help="Runs of each kind; intervals need at least two, and the job takes as many times as long.",
        ),
        *_learned(),
    ]  # fmt: skip


_OWN: dict[FormKind, Callable[[Store], list[Field]]] = {
    "pretrain": _pretrain, "finetune": _finetune, "flow": _flow, "evaluate": _evaluate, "index": _index,
    "tables": _tables,
}  # fmt: skip
