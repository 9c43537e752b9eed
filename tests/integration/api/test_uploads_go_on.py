"""Resumable uploads under cut connections, killed servers, a second sender, full disks, and by our own client."""

import base64
import contextlib
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pfa_client import Client, ProblemError, UploadProgress
from pfa_store.store import Store
from tests.integration.api import media
from tests.integration.api.service import Service, running
from tests.integration.api.test_uploads import PIECE, TUS, begin, offset_of, send
from tests.integration.api.wires import CuttingProxy, auth, half_a_request
from tests.waiting import wait_for


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A clip of its own, some hundred kilobytes long."""
    seed = int.from_bytes(os.urandom(4))
    return media.clip(tmp_path / "film.mp4", num_frames=60, seed=seed, size=(240, 320))


def head_of_piece(service: Service, **headers: str) -> dict[str, str]:
    return {**auth(service.key), **PIECE, "Upload-Offset": "0", **headers}


def test_a_connection_that_is_cut_loses_nothing_that_arrived(service: Service, film: Path) -> None:
    data = film.read_bytes()
    with service.http() as http:
        path = begin(http, len(data))
        with half_a_request(service.url, "PATCH", path, head_of_piece(service), data[:70_000], announced=len(data)):
            pass
        wait_for(lambda: offset_of(http, path) == 70_000, what="the bytes that arrived")
        finished = wait_for(lambda: _sent(http, path, 70_000, data[70_000:]), what="the lock of the cut request")
    assert service.store.videos.get(finished).sha256 == hashlib.sha256(data).hexdigest()


def test_half_of_a_piece_with_a_checksum_does_not_count(service: Service, film: Path) -> None:
    data = film.read_bytes()
    checksum = f"sha256 {base64.b64encode(hashlib.sha256(data).digest()).decode()}"
    head = head_of_piece(service, **{"Upload-Checksum": checksum})
    with service.http() as http:
        path = begin(http, len(data))
        with half_a_request(service.url, "PATCH", path, head, b"\0" * 70_000, announced=len(data)):
            wait_for(lambda: service.store.uploads.get(path.split("/")[-1]).keep_bytes == 0, what="the piece to begin")
            assert offset_of(http, path) == 0
        finished = wait_for(lambda: _sent(http, path, 0, data), what="the lock of the cut request")
    assert service.store.videos.get(finished).sha256 == hashlib.sha256(data).hexdigest()


def _sent(http: httpx.Client, path: str, offset: int, piece: bytes) -> str | None:
    """The video, or None while another request holds the upload."""
    answer = send(http, path, offset, piece)
    assert answer.status_code in (204, 423), answer.text
    return answer.headers.get("pfa-video-id")


def test_only_one_may_add_at_a_time(service: Service) -> None:
    with service.http() as http:
        path = begin(http, 1000)
        uploads, upload_id = service.store.uploads, path.split("/")[-1]
        begun = uploads.get(upload_id)
        with half_a_request(service.url, "PATCH", path, head_of_piece(service), b"x" * 10, announced=1000):
            wait_for(lambda: uploads.get(upload_id).expires_s > begun.expires_s, what="the first sender's lock")
            locked = send(http, path, 0, b"")
            assert (locked.status_code, locked.json()["code"]) == (423, "upload_locked")
            assert float(locked.headers["retry-after"]) >= 1
            assert http.delete(path, headers=TUS).status_code == httpx.codes.LOCKED
        wait_for(lambda: http.delete(path, headers=TUS).status_code == httpx.codes.NO_CONTENT, what="the lock to go")


@pytest.mark.parametrize("checked", [False, True])
def test_a_server_that_is_killed_goes_on_where_it_was(tmp_path: Path, film: Path, *, checked: bool) -> None:
    """kill -9 in the middle of a piece: the offset is what is on the disk; a half piece with a checksum is not."""
    data, settings = film.read_bytes(), tmp_path / "data"
    with running(settings) as service, service.http() as http:
        path = begin(http, len(data))
        assert send(http, path, 0, data[:1000]).status_code == httpx.codes.NO_CONTENT
        head = head_of_piece(service, **{"Upload-Offset": "1000"})
        if checked:
            head["Upload-Checksum"] = f"sha1 {base64.b64encode(hashlib.sha1(data[1000:]).digest()).decode()}"
        big = data + bytes(2 * 2**20)
        whole = begin(http, len(big))
        target = whole if not checked else path
        if not checked:
            head["Upload-Offset"] = "0"
        part = service.store.files.root / target.removeprefix("/")
        body = big[: 2**20 + 2**19] if not checked else data[1000:60_000]
        announced = len(big) if not checked else len(data) - 1000
        with half_a_request(service.url, "PATCH", target, head, body, announced=announced):
            upload_id = target.split("/")[-1]
            if checked:
                wait_for(lambda: service.store.uploads.get(upload_id).keep_bytes == 1000, what="the piece to begin")
            else:
                wait_for(lambda: part.stat().st_size >= 2**20, what="the first megabyte on the disk")
            os.kill(service.pid, signal.SIGKILL)
    on_disk = part.stat().st_size
    with running(settings) as service, service.http() as http:
        offset = offset_of(http, target)
        assert offset == (1000 if checked else on_disk)
        if checked:
            done = send(http, target, offset, data[offset:])
            assert service.store.videos.get(done.headers["pfa-video-id"]).num_bytes == len(data)
        else:
            more = send(http, target, offset, big[offset : offset + 100])
            assert more.headers["upload-offset"] == str(offset + 100)
            assert part.read_bytes() == big[: offset + 100]


def test_an_upload_that_was_cut_off_at_its_last_step_becomes_a_video(service: Service, film: Path) -> None:
    """All of it is on the disk, and the process that should have looked at it is gone."""
    data = film.read_bytes()
    with service.http() as http:
        path = begin(http, len(data))
        with service.store.uploads.writing(path.split("/")[-1]) as (_, part):
            part.write(data)
            part.sync()
        told = http.get(path).json()
    assert (told["status"], told["offset"]) == ("finished", len(data))
    assert service.store.videos.get(told["video"]).num_bytes == len(data)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose disk counts as full; its store, seen from here, does not care."""
    with running(tmp_path_factory.mktemp("narrow"), PFA_MIN_FREE_BYTES=str(2**62)) as service:
        yield service


def test_a_short_disk_answers_507_before_and_in_the_middle(narrow: Service) -> None:
    store: Store = narrow.store
    with narrow.http() as http:
        refused = http.post("/uploads", headers={**TUS, "Upload-Length": "100"})
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        upload = store.uploads.create(100, filename="a.mp4")
        with store.uploads.writing(upload.id) as (_, part):
            part.write(b"x" * 10)
        middle = send(http, f"/uploads/{upload.id}", 10, b"y" * 10)
        assert (middle.status_code, middle.json()["code"]) == (507, "disk_full")
        assert offset_of(http, f"/uploads/{upload.id}") == 10


def test_our_client_gets_a_film_through_a_connection_that_is_cut(service: Service, film: Path) -> None:
    data = film.read_bytes()
    assert len(data) > 100_000
    seen: list[UploadProgress] = []
    proxy = CuttingProxy(service.url, cut_after=[45_000, 0, 30_000, 70_000])
    with contextlib.closing(proxy), Client(proxy.url, service.key, sleep=lambda _: None, retries=20) as client:
        video = client.upload(film, on_progress=seen.append, piece_bytes=20_000)
    assert video.sha256 == hashlib.sha256(data).hexdigest()
    assert proxy.num_cut == 4
    offsets = [progress.offset for progress in seen]
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(data) == seen[-1].num_bytes


def test_our_client_goes_on_with_what_an_earlier_one_began(service: Service, film: Path) -> None:
    data = film.read_bytes()
    with service.http() as http:
        path = begin(http, len(data))
        send(http, path, 0, data[:50_000])
    seen: list[int] = []
    with service.client() as client:
        upload_id = path.split("/")[-1]
        video = client.upload(film, upload_id=upload_id, on_progress=lambda now: seen.append(now.offset))
        assert video.num_bytes == len(data)
        assert client.upload(film, upload_id=upload_id) == video, "it is finished already"
    assert seen == [len(data)]


def test_our_client_says_what_is_wrong_with_a_file(service: Service, clips: dict[str, Path]) -> None:
    with service.client() as client:
        with pytest.raises(ProblemError) as refused:
            client.upload(clips["text"])
        assert (refused.value.status, refused.value.code) == (415, "video_unsupported")
        with pytest.raises(ProblemError) as unknown:
            client.upload(clips["one"], upload_id="up_none")
        assert unknown.value.status == httpx.codes.NOT_FOUND
