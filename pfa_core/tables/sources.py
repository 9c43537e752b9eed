"""What a comparison learns from and is tested on; each set knows what tells it from others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from pfa_core.checkpoint import digest_of
from pfa_core.clips import LabelledClip
from pfa_core.errors import DatasetUnsuitable
from pfa_core.held_out import PretrainVideo
from pfa_core.pack_reader import Pack
from pfa_core.people import Person
from pfa_core.skeleton import JointSet

Contents = Mapping[Path, str]
"""sha256 by file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSource:
    """An unlabelled video with its pack."""

    name: str
    sha256: str
    pack: Path
    """The pack's folder."""
    group: str | None = None
    split: str | None = None

    def open(self) -> PretrainVideo:
        """As the recipes of pretraining take it. Raises: PackDamaged."""
        pack = Pack.open(self.pack, verify=False)
        return PretrainVideo(name=self.name, group=self.group, split=self.split, pack=pack)


@dataclass(frozen=True, kw_only=True)
class ActionSet:
    """Labelled clips, or labelled still images."""

    name: str
    clips: tuple[LabelledClip, ...]
    contents: Contents

    def __post_init__(self) -> None:
        trained = {clip.label for clip in self.clips if clip.split in (None, "train")}
        if len(trained) < 2:
            raise DatasetUnsuitable(f"{self.name}: the training items have {len(trained)} labels; two are needed.")
        if not any(clip.label in trained for clip in self.tested):
            raise DatasetUnsuitable(
                f'{self.name}: no item of split "test" has a label of the training items. Say in the column `split`'
                " of the labels what is trained on and what is tested on."
            )

    @property
    def tested(self) -> list[LabelledClip]:
        return [clip for clip in self.clips if clip.split == "test"]

    @property
    def trained(self) -> list[LabelledClip]:
        return [clip for clip in self.clips if clip.split in (None, "train")]

    @property
    def tested_sha256(self) -> set[str]:
        """What nothing may be learned from."""
        return {self.contents[clip.path] for clip in self.tested}

    @property
    def labels(self) -> list[str]:
        return sorted({clip.label for clip in self.trained})

    @property
    def guess(self) -> float:
        """The accuracy of always naming the most frequent label of the test items."""
        tested = [clip.label for clip in self.tested]
        return max(Counter(tested).values()) / len(tested)

    @cached_property
    def identity(self) -> str:
        """Equal exactly for sets of the same contents, labels and splits in the same order."""
        return digest_of(
            [(clip.name, clip.label, clip.group, clip.split, self.contents[clip.path]) for clip in self.clips]
        )


@dataclass(frozen=True, kw_only=True)
class PoseSet:
    """People with labelled joints."""

    name: str
    joints: JointSet
    people: tuple[Person, ...]
    contents: Contents

    def __post_init__(self) -> None:
        for part, people in (("train", self.trained), ("test", self.tested)):
            if not any(person.keypoints(self.joints)[1].any() for person in people):
                raise DatasetUnsuitable(f'{self.name}: nobody of split "{part}" has a labelled joint.')

    @property
    def tested(self) -> list[Person]:
        return [person for person in self.people if person.split == "test"]

    @property
    def trained(self) -> list[Person]:
        return [person for person in self.people if person.split in (None, "train")]

    @cached_property
    def identity(self) -> str:
        """As `ActionSet.identity`."""
        rows = [(p.image_name, p.to_json(), p.group, p.split, self.contents[p.image]) for p in self.people]
        return digest_of(asdict(self.joints), rows)


@dataclass(frozen=True, kw_only=True)
class TablesData:
    """Everything that a comparison is made with."""

    videos: tuple[VideoSource, ...] = ()
    action: tuple[ActionSet, ...] = ()
    pose: tuple[PoseSet, ...] = ()
    static: tuple[ActionSet, ...] = ()
    """Of still images."""
    stills_of: Mapping[str, str] = field(default_factory=dict)
    """Name of a static set that was made from an action set's clips -> that set's name."""
    kept_out: int = 0
    """Videos that are left out since an action set is tested on them."""
    unusable: int = 0
    """Videos that cannot be used, being damaged or too short."""

    def __post_init__(self) -> None:
        if not (self.action or self.pose or self.static):
            raise DatasetUnsuitable("There is nothing to compare by: name labelled `action`, `pose` or `static` data.")
        _check_apart(self.videos, self.action)

    def action_set(self, name: str) -> ActionSet:
        return next(found for found in self.action if found.name == name)

    def static_set(self, name: str) -> ActionSet:
        return next(found for found in self.static if found.name == name)

    def pose_set(self, name: str) -> PoseSet:
        return next(found for found in self.pose if found.name == name)


def _check_apart(videos: Sequence[VideoSource], action: Sequence[ActionSet]) -> None:
    """Our own mistake if it fails: whoever reads the data leaves such videos out, and counts them."""
    tested = set[str]().union(*(clips.tested_sha256 for clips in action))
    assert not any(video.sha256 in tested for video in videos), "a test clip among the videos to pretrain on"
