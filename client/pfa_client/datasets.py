"""Calls about videos and data sets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pfa_client import reading
from pfa_client.files import PathLike, form, parts
from pfa_client.records import Dataset, Uploaded, Video, record
from pfa_client.transport import Call
from pfa_client.wire import Wire


class DatasetCalls(Wire):
    """Videos and data sets."""

    def upload_videos(self, paths: Iterable[PathLike]) -> Uploaded:
        """Upload videos; `left_out` of the answer names those that could not be used."""
        paths = list(paths)
        call = Call(method="POST", path="/videos", parts=lambda: parts("files", paths), repeatable=True)
        return reading.uploaded(self._send(call).json())

    def videos(self) -> Iterator[Video]:
        """All videos, newest first."""
        return (record(Video, plain) for plain in self._pages("/videos"))

    def video(self, video_id: str) -> Video:
        """One video."""
        return record(Video, self._get(f"/videos/{video_id}"))

    def delete_video(self, video_id: str) -> None:
        """Delete a video that no data set names."""
        self._delete(f"/videos/{video_id}")

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
    ) -> Dataset:
        """Make a data set, of uploaded videos or of files.

        Args:
            videos: ids, or mappings with `video` (an id) and optional `label`, `group`, `split`.
            files: videos, or images, or .zip archives of either.
            root: files are named by their path below this folder, as `annotations` names them.
            annotations: one or more files of a format that the service knows (its docs list them), which it finds out.
            annotations_root: annotation files are named by their path below this folder; JHMDB's need that.
            annotations_format: the name of the format; `folders` takes no annotations: a folder is a class.
        """
        if files is None:
            named = [video if isinstance(video, Mapping) else {"video": video} for video in videos or []]
            call = Call(method="POST", path="/datasets", json={"name": name, "videos": named})
        else:
            call = Call(
                method="POST",
                path="/datasets",
                fields={"name": name} | ({} if annotations_format is None else {"format": annotations_format}),
                parts=form(files, root=root, annotations=annotations, annotations_root=annotations_root),
            )
        return reading.dataset(self._send(call).json())

    def datasets(self) -> Iterator[Dataset]:
        """All data sets, newest first."""
        return (reading.dataset(plain) for plain in self._pages("/datasets"))

    def dataset(self, id_or_name: str) -> Dataset:
        """One data set."""
        return reading.dataset(self._get(f"/datasets/{id_or_name}"))

    def delete_dataset(self, id_or_name: str) -> None:
        """Delete a data set; its videos stay."""
        self._delete(f"/datasets/{id_or_name}")
