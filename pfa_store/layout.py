"""Where everything lies in the data folder."""

import uuid
from pathlib import Path


class Layout:
    """Paths inside the data folder; nothing here asks the disk, but for what the folder's own path is."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir.resolve()

    def video(self, sha256: str, container: str) -> Path:
        return self.root / "videos" / sha256[:2] / f"{sha256}.{container}"

    def thumbnail(self, video_sha256: str) -> Path:
        """A frame of a video, for lists; made when it is first asked for."""
        return self.root / "thumbnails" / video_sha256[:2] / f"{video_sha256}.jpg"

    def upload(self, upload_id: str) -> Path:
        """What is here of an unfinished upload."""
        return self.root / "uploads" / upload_id

    def image(self, sha256: str, extension: str) -> Path:
        return self.root / "images" / sha256[:2] / f"{sha256}.{extension}"

    def packs_of(self, video_sha256: str) -> Path:
        """All packs of a video, so that they go when it goes."""
        return self.root / "packs" / video_sha256[:2] / video_sha256

    def pack(self, video_sha256: str, key: str) -> Path:
        return self.packs_of(video_sha256) / key

    def job(self, job_id: str) -> Path:
        return self.root / "jobs" / job_id

    def job_mark(self, job_id: str) -> Path:
        """Where hosts share no folder: the token of the attempt that wrote to this one last."""
        return self.job(job_id) / ".attempt"

    def job_work(self, job_id: str, *, half_batch: bool = False) -> Path:
        """Checkpoints and scratch, kept from attempt to attempt. With half the batch a job is another run."""
        return self.job(job_id) / ("work-half" if half_batch else "work")

    def job_out(self, job_id: str, token: int) -> Path:
        """What one attempt makes; published by renaming it."""
        return self.job(job_id) / f"out-{token}"

    def job_files(self, job_id: str, token: int) -> Path:
        """What an attempt leaves for users to fetch; they see it once that attempt's job has succeeded."""
        return self.job(job_id) / f"files-{token}"

    def job_metrics(self, job_id: str, *, half_batch: bool = False) -> Path:
        """Where a training job writes its curve, a JSON object a line."""
        return self.job_work(job_id, half_batch=half_batch) / "metrics.jsonl"

    def job_checkpoints(self, job_id: str, *, half_batch: bool = False) -> Path:
        return self.job_work(job_id, half_batch=half_batch) / "checkpoints"

    def job_log(self, job_id: str) -> Path:
        return self.job(job_id) / "log.txt"

    def model(self, name: str, version: int) -> Path:
        return self.root / "models" / name / str(version)

    def unnumbered_model(self, name: str) -> Path:
        """A name for a version that has no number yet, and that no other has."""
        return self.model(name, 0).with_name(f"upload-{uuid.uuid4().hex}")

    def collection(self, name: str) -> Path:
        return self.root / "collections" / name

    @property
    def admin_key(self) -> Path:
        return self.root / "admin.key"

    def relative(self, path: Path) -> str:
        """A path as the database keeps it."""
        return path.relative_to(self.root).as_posix()

    def absolute(self, relative: str) -> Path:
        return self.root / relative
