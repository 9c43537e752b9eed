"""Jobs over data sets of which some files were damaged after they were uploaded go on and say what they left out."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from pfa_core.models import load_model
from pfa_store.datasets import Dataset, VideoItem
from pfa_store.job_record import Job
from pfa_store.specs import EvaluateSpec, FinetuneSpec, FlowSpec, IndexSpec, JobKind, Spec
from pfa_store.store import Store
from pfa_store.videos import Video
from tests.integration.clips import moving_clip
from tests.integration.workers.service import Service
from tests.waiting import wait_for
from workers.publishing import already_published
from workers.work import Work

CONFIG: dict[str, Any] = {
    "net": {"width": 1 / 32, "crop_px": 64, "norm": "batch"},
    "short_side_px": 64,
    "test_frames": 2,
    "learn": {"batch_size": 2, "steps": 2},
}


def upload(store: Store, seed: int) -> Video:
    """All clips have the same file name."""
    return store.videos.add(io.BytesIO(moving_clip(num_frames=6, seed=seed)), filename="clip.mp4")[0]


def labelled(store: Store, videos: list[Video]) -> Dataset:
    items = [VideoItem(video_id=video.id, label="ab"[n % 2]) for n, video in enumerate(videos)]
    return store.datasets.create_from_videos("clips", items)


def truncate(store: Store, video: Video) -> None:
    path = store.videos.path(video)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[: len(data) // 2])


def run(store: Store, kind: JobKind, spec: Spec, *, left_out: Sequence[Mapping[str, Any]] = ()) -> Job:
    """The job when it is over."""
    job = store.jobs.add(kind, spec, left_out=left_out)
    assert store.queue.ring(job)
    return wait_for(
        lambda: now if (now := store.jobs.get(job.id)).done else None, what=f"the {kind} job", timeout_s=120
    )


def noted_events(store: Store, job: Job) -> list[dict[str, Any]]:
    return [dict(event.data) for event in store.jobs.events(job.id) if event.kind == "left_out"]


def test_finetuning_evaluation_and_indexing_go_on(store: Store, service: Service) -> None:
    videos = [upload(store, seed) for seed in range(5)]
    labelled(store, videos)
    truncate(store, videos[3])
    service.start()
    jobs = {
        "finetune": run(store, "finetune", FinetuneSpec(task="action", dataset="clips", name="tiny", config=CONFIG)),
        "evaluate": run(store, "evaluate", EvaluateSpec(dataset="clips", model="tiny")),
        "index": run(store, "index", IndexSpec(dataset="clips", model="tiny", collection="poses")),
    }
    for job in jobs.values():
        assert job.status == "succeeded", job
        assert job.result is not None
        (left_out,) = job.result["left_out"]
        assert (left_out["video"], left_out["file"], left_out["code"]) == (videos[3].id, "clip.mp4", "video_unreadable")
        assert "damaged" in left_out["message"]
        assert noted_events(store, job) == [left_out]
    evaluated, indexed = jobs["evaluate"].result, jobs["index"].result
    assert evaluated is not None
    assert indexed is not None
    assert evaluated["metrics"]["num_clips"] == 4
    assert indexed["items"] == 2 * 4  # frames 0 and 5 of each
    _, manifest = load_model(store.models.folder(store.models.resolve("tiny")))
    learned_from = {video.sha256 for video in videos} - {videos[3].sha256}
    assert set(manifest.lineage.items_sha256) == learned_from
    # An attempt that published its model and was lost before it could say so leaves the same result to the next.
    assert already_published(Work(job=jobs["finetune"], store=store)) == jobs["finetune"].result


def test_what_was_refused_at_the_upload_is_in_the_result(store: Store, service: Service) -> None:
    refused = {"video": None, "file": "text.mp4", "code": "video_unsupported", "message": "not a video"}
    spec = FlowSpec(videos=[upload(store, 1).id], config={"backend": "dis", "short_side_px": 64})
    service.start()
    job = run(store, "flow", spec, left_out=[refused])
    assert job.result is not None
    assert (job.result["packs"], job.result["left_out"]) == (1, [refused])


def test_a_job_of_which_nothing_reads_says_why(store: Store, service: Service) -> None:
    videos = [upload(store, seed) for seed in (1, 2)]
    labelled(store, videos)
    for video in videos:
        truncate(store, video)
    service.start()
    job = run(store, "finetune", FinetuneSpec(task="action", dataset="clips", name="tiny", config=CONFIG))
    assert (job.status, job.error_code) == ("failed", "dataset_unsuitable")
    assert job.error_message is not None
    assert job.error_message.startswith("None of the 2 items can be used. clip.mp4: The video is damaged")
