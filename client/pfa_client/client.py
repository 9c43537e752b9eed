"""The client: one method a call of the service."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from pfa_client import reading
from pfa_client.files import PathLike, part, parts
from pfa_client.records import (
    Actions,
    Alias,
    Collection,
    Dataset,
    Features,
    Job,
    JobEvent,
    JobFile,
    Model,
    ModelVersion,
    Neighbour,
    Pose,
    Uploaded,
    Video,
    record,
)
from pfa_client.transport import Call, Transport

JobKind = Literal["flow", "pretrain", "finetune", "evaluate", "index"]
Image = bytes | str | Path
"""An encoded JPEG, PNG or WebP: its bytes, or the path of its file."""
Box = tuple[float, float, float, float]
"""x, y, width, height in px of the image."""


class Client:
    """A PFA service at `url`.

    Calls that may be sent twice without harm are sent again after connection errors, 429 and 503.
    Every method raises ProblemError when the service refuses and ServiceUnreachable when it does not answer.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = 300,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=httpx.Timeout(timeout_s, connect=10), transport=transport
        )
        self._send = Transport(self._http, retries=retries, sleep=sleep).send
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ready(self) -> bool:
        """Whether the service can take work just now."""
        return self._http.get("/health/ready").status_code == httpx.codes.OK

    # Videos and data sets.

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
                parts=_form(files, root=root, annotations=annotations, annotations_root=annotations_root),
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

    # Jobs.

    def start_job(
        self,
        kind: JobKind,
        *,
        files: Iterable[PathLike] | None = None,
        root: PathLike | None = None,
        annotations: PathLike | Sequence[PathLike] | None = None,
        idempotency_key: str | None = None,
        **spec: Any,  # noqa: ANN401  # the body of POST /jobs/{kind}
    ) -> Job:
        """Start a job; with `files`, the data set is made on the way.

        `spec` is the body, for example `dataset="walks", name="walker", preset="small", config={...}`.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        path = f"/jobs/{kind}"
        if files is None:
            call = Call(method="POST", path=path, json=spec, headers=headers, repeatable=True)
        else:
            call = Call(
                method="POST",
                path=path,
                headers=headers,
                fields={"config": json.dumps(spec)},
                parts=_form(files, root=root, annotations=annotations),
                repeatable=True,
            )
        return reading.job(self._send(call).json())

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        return reading.job(self._get(f"/jobs/{job_id}"))

    def jobs(self, *, status: str | None = None, kind: JobKind | None = None) -> Iterator[Job]:
        """Jobs, newest first."""
        return (reading.job(plain) for plain in self._pages("/jobs", status=status, kind=kind))

    def wait(
        self,
        job_id: str,
        on_progress: Callable[[Job], None] | None = None,
        *,
        every_s: float = 1.0,
        timeout_s: float | None = None,
    ) -> Job:
        """Ask until the job is done, and return it, however it ended.

        Raises:
            TimeoutError: it was not done after `timeout_s`; it goes on.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            job = self.job(job_id)
            if on_progress is not None:
                on_progress(job)
            if job.done:
                return job
            if deadline_s is not None and time.monotonic() >= deadline_s:
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout_s} s")
            self._sleep(every_s)

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; it is done once its status is `cancelled`."""
        return reading.job(self._send(Call(method="POST", path=f"/jobs/{job_id}/cancel", repeatable=True)).json())

    def job_events(self, job_id: str) -> Iterator[JobEvent]:
        """What has happened to a job so far, in order."""
        return (record(JobEvent, plain) for plain in self._pages(f"/jobs/{job_id}/events"))

    def job_log(self, job_id: str) -> str:
        """What the job's processes wrote."""
        return self._send(Call(method="GET", path=f"/jobs/{job_id}/logs", repeatable=True)).text

    def job_metrics(self, job_id: str) -> list[Mapping[str, float]]:
        """The curve of a training job: rows of `step` and the figures measured there."""
        return list(self._get(f"/jobs/{job_id}/metrics"))

    def job_files(self, job_id: str) -> list[JobFile]:
        """The files that a job made; none until it has succeeded."""
        return [record(JobFile, plain) for plain in self._pages(f"/jobs/{job_id}/files")]

    def job_file(self, job_id: str, name: str) -> bytes:
        """A file that a job made, such as `evaluation.csv`."""
        return self._send(Call(method="GET", path=f"/jobs/{job_id}/files/{name}", repeatable=True)).content

    # Models.

    def models(self) -> list[Model]:
        """All models with their versions."""
        return [reading.model(plain) for plain in self._pages("/models")]

    def model(self, name: str) -> Model:
        """One model with its versions."""
        return reading.model(self._get(f"/models/{name}"))

    def model_version(self, name: str, version: int) -> ModelVersion:
        """One version, with the names of its files."""
        return reading.model_version(self._get(f"/models/{name}/versions/{version}"))

    def model_card(self, name: str, version: int) -> str:
        """The model card in Markdown, with what evaluations have found."""
        return self._send(Call(method="GET", path=f"/models/{name}/versions/{version}/card.md", repeatable=True)).text

    def filters(self, name: str, version: int) -> bytes:
        """The filters of the first layer, as PNG."""
        call = Call(method="GET", path=f"/models/{name}/versions/{version}/filters.png", repeatable=True)
        return self._send(call).content

    def set_alias(self, name: str, alias: str, version: int) -> Alias:
        """Let `name@alias` mean this version; prediction switches over once it is loaded."""
        call = Call(method="PUT", path=f"/models/{name}/aliases/{alias}", json={"version": version}, repeatable=True)
        return record(Alias, self._send(call).json())

    # Prediction.

    def predict_pose(self, image: Image, *, model: str, box: Box | None = None, heatmaps: bool = False) -> Pose:
        """The pose of the person in an image, or in a box of it."""
        wanted = {"model": model, "box": _box(box), "heatmaps": "true" if heatmaps else None}
        return reading.pose(self._send(_of_image("/predict/pose", image, wanted)).json())

    def predict_pose_overlay(self, image: Image, *, model: str, box: Box | None = None) -> bytes:
        """The image with its pose drawn over it, as PNG."""
        wanted = {"model": model, "box": _box(box)}
        return self._send(_of_image("/predict/pose", image, wanted, accept="image/png")).content

    def predict_action(self, source: Image, *, model: str) -> Actions:
        """The action in an image or in a short video."""
        return reading.actions(self._send(_of_image("/predict/action", source, {"model": model})).json())

    def features(self, image: Image, *, model: str) -> Features:
        """The fc6 feature of an image."""
        return reading.features(self._send(_of_image("/predict/features", image, {"model": model})).json())

    # Retrieval.

    def create_collection(self, name: str, *, model: str) -> Collection:
        """Make an empty collection; `start_job("index", collection=name, ...)` fills it."""
        call = Call(method="POST", path="/collections", json={"name": name, "model": model})
        return record(Collection, self._send(call).json())

    def collections(self) -> Iterator[Collection]:
        """All collections."""
        return (record(Collection, plain) for plain in self._pages("/collections"))

    def collection(self, name: str) -> Collection:
        """One collection."""
        return record(Collection, self._get(f"/collections/{name}"))

    def delete_collection(self, name: str) -> None:
        """Delete a collection; what it was made from stays."""
        self._delete(f"/collections/{name}")

    def retrieve(self, image: Image, *, collection: str, k: int = 10, box: Box | None = None) -> list[Neighbour]:
        """The k items of a collection whose poses are nearest to that of an image, or of a box of it."""
        call = _of_image("/retrieve/pose", image, {"collection": collection, "k": str(k), "box": _box(box)})
        return [record(Neighbour, plain) for plain in self._send(call).json()["items"]]

    # The wire.

    def _get(self, path: str, **params: Any) -> Any:  # noqa: ANN401  # JSON
        return self._send(Call(method="GET", path=path, params=params, repeatable=True)).json()

    def _delete(self, path: str) -> None:
        self._send(Call(method="DELETE", path=path, repeatable=True))

    def _pages(self, path: str, **params: Any) -> Iterator[Any]:  # noqa: ANN401  # JSON
        cursor = None
        while True:
            page = self._get(path, cursor=cursor, **params)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return


def _of_image(path: str, image: Image, params: Mapping[str, Any], *, accept: str = "application/json") -> Call:
    """A prediction changes nothing, so that it may be asked for again."""
    headers = {"Accept": accept}
    if isinstance(image, bytes):
        headers["Content-Type"] = "application/octet-stream"
        return Call(method="POST", path=path, params=params, headers=headers, content=image, repeatable=True)
    return Call(
        method="POST", path=path, params=params, headers=headers, parts=lambda: [part("file", image)], repeatable=True
    )


def _form(
    files: Iterable[PathLike],
    *,
    root: PathLike | None,
    annotations: PathLike | Sequence[PathLike] | None,
    annotations_root: PathLike | None = None,
) -> Callable[[], list[Any]]:
    paths = list(files)
    notes = [annotations] if isinstance(annotations, str | Path) else list(annotations or ())
    return lambda: parts("files", paths, root=root) + parts("annotations", notes, root=annotations_root)


def _box(box: Box | None) -> str | None:
    return None if box is None else ",".join(f"{number:g}" for number in box)
