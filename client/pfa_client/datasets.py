"""Calls about videos and data sets."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pfa_client import reading
from pfa_client.files import PathLike, form, parts
from pfa_client.methods import call, listing
from pfa_client.pages import Pages
from pfa_client.records import Dataset, DatasetItem, Uploaded, Video, record
from pfa_client.transport import Call, Steps, at
from pfa_client.wire import Wire


class DatasetCalls(Wire):
    """Videos and data sets."""

    @call
    def upload_videos(self, paths: Iterable[PathLike]) -> Steps[Uploaded]:
        """Upload videos; `left_out` of the answer names those that could not be used."""
        paths = list(paths)
        call = Call(method="POST", path="/videos", parts=lambda: parts("files", paths), repeatable=True)
        return reading.uploaded((yield from self._json(call)))

    @listing
    def videos(self) -> Pages[Video]:
        """All videos, newest first."""
        return Pages(path="/videos", read=lambda plain: record(Video, plain))

    @call
    def video(self, video_id: str) -> Steps[Video]:
        """One video."""
        return record(Video, (yield from self._get(at("videos", video_id))))

    @call
    def delete_video(self, video_id: str) -> Steps[None]:
        """Delete a video that no data set names."""
        yield from self._delete(at("videos", video_id))

    @call
    def create_dataset(
        self,
        name: str,
        *,
        videos: Sequence[str | Mapping[str, Any]] | None = None,
        files: Iterable[PathLike] | None = None,
        root: PathLike | None = None,
        annotations: PathLike | Sequence[PathLike] | None = None,
        annotations_root: PathLike | None = None,
        annotations_format: str | None = None,
    ) -> Steps[Dataset]:
        """Make a data set, of uploaded videos or of files.

        Args:
            videos: ids, or mappings with `video` (an id) and optional `label`, `group`, `split`.
            files: videos, or images, or .zip archives of either.
            root: files are named by their path below this folder, as `annotations` names them.
            annotations: one or more files of a format that the service knows (its docs list them), which it finds out.
            annotations_root: annotation files are named by their path below this folder; JHMDB's need that.
            annotations_format: the name of the format; `folders` takes no annotations: a folder is a class.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if files is None:
            named = [video if isinstance(video, Mapping) else {"video": video} for video in videos or []]
            document = {"name": name, "videos": named}
            call = Call(method="POST", path="/datasets", json=document, headers=headers, repeatable=True)
        else:
            call = Call(
                method="POST",
                path="/datasets",
                fields={"name": name} | ({} if annotations_format is None else {"format": annotations_format}),
                parts=form(files, root=root, annotations=annotations, annotations_root=annotations_root),
                headers=headers,
                repeatable=True,
            )
        return reading.dataset((yield from self._json(call)))

    @listing
    def datasets(self) -> Pages[Dataset]:
        """All data sets, newest first."""
        return Pages(path="/datasets", read=reading.dataset)

    @call
    def dataset(self, id_or_name: str) -> Steps[Dataset]:
        """One data set."""
        return reading.dataset((yield from self._get(at("datasets", id_or_name))))

    @listing
    def dataset_items(self, id_or_name: str) -> Pages[DatasetItem]:
        """What a data set holds, in its order."""
        return Pages(path=at("datasets", id_or_name, "items"), read=lambda plain: record(DatasetItem, plain))

    @call
    def dataset_coco(self, id_or_name: str, *, split: str | None = None) -> Steps[dict[str, Any]]:
        """The people of a data set of images (of one split) as COCO keypoints JSON."""
        found: dict[str, Any] = yield from self._get(at("datasets", id_or_name, "coco"), split=split)
        return found

    @call
    def delete_dataset(self, id_or_name: str) -> Steps[None]:
        """Delete a data set; its videos stay."""
        yield from self._delete(at("datasets", id_or_name))
