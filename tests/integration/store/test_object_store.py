"""Hosts that share a database and an object store, and no folder."""

import io
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pfa_core.errors import DatasetUnsuitable
from pfa_core.images import write_png
from pfa_store.cache import Cache
from pfa_store.datasets import ImageItem
from pfa_store.errors import DiskFull, ObjectDamaged, StoreUnavailable
from pfa_store.job_mirror import JobMirror
from pfa_store.object_shelf import ObjectShelf
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.s3 import S3, s3

Host = Callable[..., Store]


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3() as made:
        yield made


@pytest.fixture
def host(tmp_path: Path, server: S3) -> Iterator[Host]:
    """Makes hosts by name, each with a folder of its own."""
    opened = []

    def make(name: str, **more: object) -> Store:
        url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
        # Each test has a place of its own in the bucket.
        settings = server.settings(tmp_path / name, database_url=url, **more)
        settings = settings.model_copy(update={"objects_url": f"s3://pfa/lab/{tmp_path.name}"})
        opened.append(Store.open(settings))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def shelf_of(store: Store) -> ObjectShelf:
    assert isinstance(store.files.shelf, ObjectShelf)
    return store.files.shelf


def thing(store: Store, name: str, content: bytes) -> Path:
    """A published folder of one file."""
    path = store.files.root / "models" / name
    (path / "inside").mkdir(parents=True)
    (path / "inside" / "file").write_bytes(content)
    store.files.shelf.publish(path)
    return path


def png(seed: int) -> bytes:
    return write_png(np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8))


def test_a_video_is_found_on_every_host_and_goes_from_all(host: Host, server: S3) -> None:
    one, other = host("one"), host("other")
    clip = moving_clip(num_frames=4)
    video, is_new = one.videos.add(io.BytesIO(clip), filename="a.mp4")
    assert is_new
    assert not other.videos.place(video).exists()
    assert other.videos.path(video).read_bytes() == clip
    other.videos.delete(video.id)
    third = host("third")
    with pytest.raises(StoreUnavailable):
        third.videos.path(video)
    assert not server.stored(video.sha256)


def test_many_at_once_fetch_a_thing_once(host: Host) -> None:
    one, other = host("one"), host("other")
    thing(one, "m", b"x" * 100_000)
    path = other.files.root / "models" / "m"
    with ThreadPoolExecutor(8) as pool:
        inodes = list(
            pool.map(lambda _: shelf_of(other).here(path).joinpath("inside", "file").stat().st_ino, range(16))
        )
    assert len(set(inodes)) == 1
    assert (path / "inside" / "file").read_bytes() == b"x" * 100_000


def test_what_is_not_announced_is_not_there(host: Host) -> None:
    """An upload that was killed before its end, and one of two uploads of a thing that mix."""
    one, other = host("one"), host("other")
    source = one.files.root / "tmp" / "new"
    source.mkdir()
    (source / "file").write_bytes(b"first")
    path = one.files.root / "models" / "m"
    shelf = shelf_of(one)
    lost = shelf.upload(source, path)
    assert not shelf_of(other).published(other.files.root / "models" / "m")
    (source / "file").write_bytes(b"second")
    shelf.announce(shelf.upload(source, path))
    there = shelf_of(other).here(other.files.root / "models" / "m")
    assert (there / "file").read_bytes() == b"second"
    assert list(shelf.garbage(older_than_s=-60)) == [content.key for content in lost.files.values()]


def test_a_damaged_object_is_detected(host: Host, server: S3, tmp_path: Path) -> None:
    one, other = host("one"), host("other")
    thing(one, "m", b"0123456789")
    (stored,) = [path for path in server.stored(f"{tmp_path.name}/content") if path.read_bytes() == b"0123456789"]
    stored.write_bytes(b"0123456780")
    with pytest.raises(ObjectDamaged):
        shelf_of(other).here(other.files.root / "models" / "m")
    assert not (other.files.root / "models" / "m").exists()


def test_the_cache_stays_below_its_limit_and_keeps_what_is_in_use(host: Host) -> None:
    one = host("one")
    for number in range(6):
        thing(one, str(number), bytes(1000))
    other = host("other", cache_bytes=3500)
    place = other.files.root / "models"
    cache = Cache(other.files.root, max_bytes=3500)
    with shelf_of(other).using(place / "0"):
        for number in range(1, 6):
            with shelf_of(other).using(place / str(number)) as path:
                assert (path / "inside" / "file").read_bytes() == bytes(1000)
            assert cache.num_bytes() == sum(1000 for path in place.iterdir()) <= 3500
        assert {path.name for path in place.iterdir()} == {"0", "4", "5"}, "the least recently used went"
        with shelf_of(other).using(place / "4"), shelf_of(other).using(place / "5"), pytest.raises(DiskFull):
            shelf_of(other).here(place / "1")
        assert {path.name for path in place.iterdir()} == {"0", "4", "5"}
    shelf_of(other).here(place / "1")


def test_what_is_not_published_is_never_removed(host: Host) -> None:
    one = host("one", cache_bytes=1500)
    own = one.files.root / "models" / "own"
    own.mkdir()
    (own / "file").write_bytes(bytes(5000))
    for number in range(3):
        thing(one, str(number), bytes(1000))
    assert own.exists()
    assert sum(path != own for path in (one.files.root / "models").iterdir()) == 1


def test_holds_end_with_their_process(tmp_path: Path) -> None:
    """A dead process's lock is gone: the same as one whose lock file nobody holds."""
    (tmp_path / "tmp").mkdir()
    cache = Cache(tmp_path, max_bytes=10)
    cache.create()
    dead = Cache(tmp_path, max_bytes=10)
    (tmp_path / "a").write_bytes(bytes(10))
    dead.reserve("a", 10, until_s=math.inf)
    with pytest.raises(DiskFull):
        cache.reserve("b", 10)
    dead.close()  # its lock file, as the end of a process does
    cache.reserve("b", 10)
    assert not (tmp_path / "a").exists()


def test_images_that_another_host_removed_make_no_data_set(host: Host) -> None:
    one, other = host("one"), host("other")
    image = one.images.add(png(1))
    item = ImageItem(image_sha256=image.sha256, file="a.png")
    dataset = one.datasets.create_from_images("a", None, [item])
    assert other.images.path(image.sha256).read_bytes() == png(1)
    one.datasets.delete(dataset.id)
    with pytest.raises(DatasetUnsuitable):
        other.datasets.create_from_images("b", None, [item])
    other.images.add(png(1))  # is here, and yet is brought to the store again
    other.datasets.create_from_images("b", None, [item])
    assert host("third").images.path(image.sha256).read_bytes() == png(1)


def test_a_zombies_late_push_is_read_by_nobody(host: Host) -> None:
    one, other = host("one"), host("other")
    job = one.jobs.add("flow", FlowSpec(videos=["vid_x"]))

    def mirror(store: Store, token: int) -> JobMirror:
        assert store.objects is not None
        return JobMirror(store.files, store.objects, job.id, token=token)

    def write(store: Store, text: str) -> None:
        store.files.write_atomic(store.files.job_metrics(job.id), f'{{"step": {text}}}\n'.encode())

    zombie = mirror(one, 1)
    zombie.pull()
    write(one, "1")
    zombie.push()
    newer = mirror(other, 2)
    newer.pull()
    assert other.files.job_metrics(job.id).read_text() == '{"step": 1}\n', "it goes on from there"
    write(other, "2")
    newer.push()
    write(one, "99")
    zombie.push()
    viewer = host("viewer")
    assert viewer.views.rows(job) == [{"step": 2}]
    third = mirror(viewer, 3)
    third.pull()
    assert viewer.files.job_metrics(job.id).read_text() == '{"step": 2}\n'


def test_a_host_goes_on_from_what_it_wrote_itself(host: Host) -> None:
    """What was not pushed any more is not lost on the same host."""
    one = host("one")
    assert one.objects is not None
    first = JobMirror(one.files, one.objects, "job_x", token=1)
    first.pull()
    place = one.files.job_metrics("job_x")
    one.files.write_atomic(place, b"1\n")
    first.push()
    one.files.write_atomic(place, b"1\n2\n")
    JobMirror(one.files, one.objects, "job_x", token=2).pull()
    assert place.read_bytes() == b"1\n2\n"


def test_a_store_that_is_away_is_told_at_once_and_waited_for_by_jobs(host: Host) -> None:
    with s3() as server:
        store = Store.open(
            server.settings(host("db").files.root.parent / "away", database_url=host("db2").settings.database_url)
        )
        clip = moving_clip(num_frames=4)
        server.stop()
        began_s = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.videos.add(io.BytesIO(clip), filename="a.mp4")
        assert time.monotonic() - began_s < 30, "a request does not wait for it"
        assert not store.videos.list().items, "what others could not fetch has no row"
        patient = Store.open(store.settings, migrate=False, for_job=True)
        with ThreadPoolExecutor(1) as pool:
            added = pool.submit(patient.videos.add, io.BytesIO(clip), filename="a.mp4")
            server.start()
            video, is_new = added.result(60)
        assert is_new
        assert patient.videos.path(video).read_bytes() == clip
        patient.close()
        store.close()
