"""Jobs on hosts that share a database, a broker and an object store, and no folder."""

import io
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pfa_core.retrieval import GalleryIndex
from pfa_store.datasets import VideoItem
from pfa_store.job_record import Job
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec, IndexSpec
from pfa_store.store import Store
from tests.integration import broker as brokers
from tests.integration.clips import moving_clip
from tests.integration.s3 import S3, s3
from tests.integration.workers.service import Service
from tests.integration.workers.training import PACK, trained_steps, training
from tests.waiting import wait_for

Host = Callable[[str], Settings]


@pytest.fixture
def server() -> Iterator[S3]:
    with s3() as made:
        yield made


@pytest.fixture
def host(tmp_path: Path, broker: brokers.Broker, server: S3) -> Host:
    """Settings of a host of that name: a folder of its own, and everything else in common."""
    broker.start()

    def make(name: str) -> Settings:
        return server.settings(
            tmp_path / name,
            database_url=f"sqlite:///{tmp_path / 'shared.sqlite3'}",
            broker_url=broker.url,
            lease_s=4,
            heartbeat_s=0.5,
            ring_again_s=2,
            cancel_grace_s=20,
        )

    return make


@pytest.fixture
def front(host: Host) -> Iterator[Store]:
    """The host of the API: it runs no jobs."""
    opened = Store.open(host("front"))
    yield opened
    opened.close()


def done(store: Store, job: Job) -> Job:
    def ended() -> Job | None:
        now = store.jobs.get(job.id)
        return now if now.done else None

    return wait_for(ended, what=f"the end of the {job.kind} job", timeout_s=300)


def gallery(store: Store) -> GalleryIndex:
    folder = store.collections.folder(store.collections.get("c"))
    assert folder is not None
    index = GalleryIndex.load(folder)
    index.verify()
    return index


def curve(store: Store, job: Job) -> list[dict[str, float]]:
    """Without what depends on the clock."""
    return [{name: figure for name, figure in row.items() if "_s" not in name} for row in store.views.rows(job)]


def test_another_host_goes_on_from_the_checkpoint_of_one_that_vanished(
    host: Host, front: Store, server: S3, tmp_path: Path
) -> None:
    """Its curve and its model are those of a run that nothing disturbed, and users see all of it at the front."""
    first = Service(host("first"))
    first.start()
    job = training(front, steps=300)
    front.queue.ring(job)
    try:
        trained_steps(front, job, at_least=30)
        seen = wait_for(lambda: front.views.checkpoints(job), what="a checkpoint at the front", timeout_s=60)
        assert all(one.num_bytes > 0 for one in seen)
    finally:
        first.stop(signal.SIGKILL)
    stored = front.views.checkpoints(job)[-1].step
    (tmp_path / "first").rename(tmp_path / "burnt")
    second = Service(host("second"))
    second.start()
    try:
        server.stop()  # and the store is away while it begins
        wait_for(lambda: front.jobs.get(job.id).attempt > 1, what="the second attempt", timeout_s=60)
        server.start()
        ended = done(front, job)
        assert ended.error_message is None
        events = front.jobs.events(job.id)
        anew = [event.id for event in events if event.kind == "claimed"][-1]
        steps = [
            event.data["step"]
            for event in events
            if event.id > anew and event.kind == "progress" and event.data["phase"] == "train"
        ]
        assert steps[0] >= stored, "it did not begin anew"
        log = b"".join(front.views.log(job).chunks()).decode()
        assert "attempt 1 of job" in log
        assert f"attempt {ended.attempt} ends: succeeded" in log
        undisturbed = training(front, steps=300)
        front.queue.ring(undisturbed)
        assert done(front, undisturbed).status == "succeeded"
    finally:
        second.stop()
    assert curve(front, job) == curve(front, undisturbed)
    models = [front.models.folder(front.models.resolve(f"tiny@{version}")) for version in (1, 2)]
    assert len({(folder / "model.safetensors").read_bytes() for folder in models}) == 1
    assert not front.views.checkpoints(job), "nothing goes on from them"


def test_packs_are_made_once_and_galleries_are_found_elsewhere(host: Host, front: Store) -> None:
    first = Service(host("first"))
    first.start()
    try:
        video, _ = front.videos.add(io.BytesIO(moving_clip(num_frames=8)), filename="a.mp4")
        flow = front.jobs.add("flow", FlowSpec(videos=[video.id], config=PACK))
        front.queue.ring(flow)
        flow = done(front, flow)
        assert flow.error_message is None
        assert flow.result == {"packs": 1, "pairs": 7, "left_out": []}
    finally:
        first.stop()
    second = Service(host("second"))
    second.start()
    try:
        again = front.jobs.add("flow", FlowSpec(videos=[video.id], config=PACK))
        front.queue.ring(again)
        assert done(front, again).result == {"packs": 1, "pairs": 7, "left_out": []}
        packs = list((host("second").data_dir / "packs").glob("*/*/*/pack.json"))
        made = list((host("first").data_dir / "packs").glob("*/*/*/pack.json"))
        assert [json.loads(path.read_bytes()) for path in packs] == [json.loads(path.read_bytes()) for path in made]
        model = training(front, steps=2)
        front.queue.ring(model)
        assert done(front, model).error_message is None
        front.datasets.create_from_videos("d", [VideoItem(video_id=video.id)])
        spec = IndexSpec(collection="c", model="tiny@1", dataset="d", every_frames=2)
        index = front.jobs.add("index", spec)
        front.queue.ring(index)
        assert done(front, index).error_message is None
        assert len(gallery(front)) == 4
        assert front.collections.delete_items("c", int(gallery(front).ids()[0])) == 1
        more = front.jobs.add("index", spec)  # on the other host again, from what is left
        front.queue.ring(more)
        assert done(front, more).error_message is None
        assert len(gallery(front)) == front.collections.get("c").num_items == 4
    finally:
        second.stop()
