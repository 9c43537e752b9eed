"""The data file of `pfa tables`: JSON that names videos and labelled sets, and the sets that it names.

    {
      "videos": ["clips/", "more.mp4", "videos.csv"],
      "action": {"gym": "gym.csv"},
      "pose": {"people": {"annotations": "annotations.json", "files": "images/"}},
      "static": {"photos": "photos.csv", "gym frames": {"from_action": "gym"}}
    }

Paths are relative to the file. Annotations are of any format that `pfa import` takes; `files` is the folder that they
name files in, by default their own. What is said by `split` holds: test items are never learned from.
"""

import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pfa_core.errors import AnnotationsInvalid
from pfa_store.specs import Name


class Labelled(BaseModel):
    """A set with annotations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    annotations: list[str] = Field(default_factory=list, description="Files of one format")
    files: str | None = Field(default=None, description="The folder that they name files in")
    format: str | None = Field(default=None, description="Found out where not given")
    from_action: Name | None = Field(default=None, description="`static` only: frames of that action set's clips")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.annotations) == (self.from_action is not None):
            raise ValueError("name `annotations`, or for still images `from_action`, and not both")
        return self


def _short(value: object) -> object:
    """A path alone names the annotations."""
    if isinstance(value, str):
        return {"annotations": [value]}
    if isinstance(value, dict) and isinstance(value.get("annotations"), str):
        return value | {"annotations": [value["annotations"]]}
    return value


Set = Annotated[Labelled, BeforeValidator(_short)]


class NamedVideos(BaseModel):
    """Videos: a file, a folder of them, or a CSV `file,group,split` that names some."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    annotations: str = Field(description="The video, the folder or the CSV")
    files: str | None = Field(default=None, description="The folder that a CSV names files in; else its own")


def _path_alone(value: object) -> object:
    return {"annotations": value} if isinstance(value, str) else value


Videos = Annotated[NamedVideos, BeforeValidator(_path_alone)]


class DataFile(BaseModel):
    """What the JSON holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    videos: list[Videos] = Field(default_factory=list, description="Videos, folders of them, or CSV that names some")
    action: dict[Name, Set] = Field(default_factory=dict)
    pose: dict[Name, Set] = Field(default_factory=dict)
    static: dict[Name, Set] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _frames_of_known_clips(self) -> Self:
        for name, one in (*self.action.items(), *self.pose.items()):
            if one.from_action is not None:
                raise ValueError(f"{name}: only still images are made from an action set")
        for name, one in self.static.items():
            if one.from_action is not None and one.from_action not in self.action:
                raise ValueError(f"static.{name}: there is no action set {one.from_action!r}")
        return self


def read_data_file(path: Path) -> DataFile:
    """Raises: AnnotationsInvalid: not JSON, or not what it must say; the message names each fault."""
    try:
        return DataFile.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:10])
        raise AnnotationsInvalid(f"{path.name}: {faults}.") from error
    except (OSError, ValueError) as error:
        raise AnnotationsInvalid(f"{path.name} does not read: {error}.") from error
