"""Resumable uploads, as any tus client sends them: what the protocol asks for, and what becomes of the file."""

import base64
import hashlib
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from pfa_client import Client
from tests.integration.api import media
from tests.integration.api.service import Service

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
DAY_S = 24 * 3600.0


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    """A video that no other test has sent."""
    return media.clip(tmp_path / "fresh.mp4", seed=time.monotonic_ns() % 2**32).read_bytes()


def begin(http: httpx.Client, num_bytes: int, **headers: str) -> str:
    filename = base64.b64encode(b"walk.mp4").decode()
    headers = {**TUS, "Upload-Length": str(num_bytes), "Upload-Metadata": f"filename {filename}", **headers}
    answer = http.post("/uploads", headers=headers)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return answer.headers["location"]


def send(http: httpx.Client, path: str, offset: int, piece: bytes, **headers: str) -> httpx.Response:
    return http.patch(path, content=piece, headers={**PIECE, "Upload-Offset": str(offset), **headers})


def offset_of(http: httpx.Client, path: str) -> int:
    answer = http.head(path, headers=TUS)
    assert answer.status_code == httpx.codes.OK
    return int(answer.headers["upload-offset"])


def test_the_server_says_what_it_speaks(service: Service) -> None:
    with service.http() as http:
        answer = http.options("/uploads")
    assert answer.status_code == httpx.codes.NO_CONTENT
    assert (answer.headers["tus-resumable"], answer.headers["tus-version"]) == ("1.0.0", "1.0.0")
    extensions = {"creation", "creation-with-upload", "expiration", "checksum", "termination"}
    assert set(answer.headers["tus-extension"].split(",")) == extensions
    assert set(answer.headers["tus-checksum-algorithm"].split(",")) == {"sha1", "sha256", "md5"}
    assert int(answer.headers["tus-max-size"]) == 2 * 2**30


def test_pieces_become_a_video(service: Service, client: Client, data: bytes) -> None:
    third = len(data) // 3
    with service.http() as http:
        path = begin(http, len(data))
        assert offset_of(http, path) == 0
        first = send(http, path, 0, data[:third])
        assert (first.status_code, first.headers["upload-offset"]) == (204, str(third))
        assert parsedate_to_datetime(first.headers["upload-expires"]).timestamp() > time.time() + DAY_S - 60
        assert "pfa-video-id" not in first.headers
        head = http.head(path, headers=TUS)
        assert (head.headers["upload-offset"], head.headers["upload-length"]) == (str(third), str(len(data)))
        assert (head.headers["cache-control"], head.headers["tus-resumable"]) == ("no-store", "1.0.0")
        assert base64.b64decode(head.headers["upload-metadata"].split()[1]) == b"walk.mp4"
        assert http.get(path).json()["status"] == "receiving"
        assert send(http, path, third, data[third : 2 * third]).status_code == httpx.codes.NO_CONTENT
        last = send(http, path, 2 * third, data[2 * third :])
        video = client.video(last.headers["pfa-video-id"])
        told = http.get(path).json()
        listed = next(item for item in http.get("/uploads").json()["items"] if item["id"] == told["id"])
        again = send(http, path, len(data), b"")
    assert (video.sha256, video.filename) == (hashlib.sha256(data).hexdigest(), "walk.mp4")
    assert (told["status"], told["video"], told["offset"]) == ("finished", video.id, len(data))
    assert listed == told
    assert (again.status_code, again.json()["code"]) == (409, "offset_conflict")
    assert not list((service.store.files.root / "uploads").glob(told["id"])), "its file is the video's now"


def test_a_creation_may_bring_the_whole_file_which_may_be_known(service: Service, client: Client, data: bytes) -> None:
    with service.http() as http:
        first, second = (
            http.post("/uploads", content=data, headers={**PIECE, "Upload-Length": str(len(data))}) for _ in range(2)
        )
        known = http.post("/videos", files={"files": ("other.mp4", data)}).json()["videos"][0]
    assert (first.status_code, first.headers["upload-offset"]) == (201, str(len(data)))
    assert first.headers["pfa-video-id"] == second.headers["pfa-video-id"] == known["id"]
    assert first.headers["location"] != second.headers["location"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Tus-Resumable": "0.2.2"}, 412, "tus_version_unsupported"),
        ({"Tus-Resumable": ""}, 412, "tus_version_unsupported"),
        ({"Content-Type": "application/octet-stream"}, 415, "media_unsupported"),
        ({"Upload-Offset": "7"}, 409, "offset_conflict"),
        ({"Upload-Offset": "-1"}, 422, "request_invalid"),
        ({"Upload-Offset": "9" * 30}, 422, "request_invalid"),
        ({"Upload-Checksum": "crc32 AAAA"}, 422, "request_invalid"),
        ({"Upload-Checksum": "sha1 AAAA"}, 422, "request_invalid"),
        ({"Upload-Checksum": "sha1 ***"}, 422, "request_invalid"),
    ],
)
def test_pieces_that_are_refused_change_nothing(
    service: Service, headers: dict[str, str], status: int, code: str
) -> None:
    with service.http() as http:
        path = begin(http, 100)
        answer = send(http, path, 0, b"x" * 10, **headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["tus-resumable"] == "1.0.0"
        assert (answer.headers.get("tus-version") == "1.0.0") == (status == 412)
        assert offset_of(http, path) == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload-Length": str(3 * 2**30)}, 413, "payload_too_large"),
        ({"Upload-Length": "0"}, 422, "request_invalid"),
        ({"Upload-Length": "ten"}, 422, "request_invalid"),
        ({"Upload-Length": "10", "Upload-Metadata": "filename ***"}, 422, "request_invalid"),
        ({"Upload-Length": "10", "Upload-Metadata": "a YQ==,a YQ=="}, 422, "request_invalid"),
        ({"Upload-Length": "10", "Upload-Metadata": f"a {'Y' * 9000}"}, 422, "request_invalid"),
        ({"Upload-Defer-Length": "1"}, 422, "request_invalid"),
        ({"Upload-Length": "10", "Tus-Resumable": "2.0.0"}, 412, "tus_version_unsupported"),
    ],
)
def test_creations_that_are_refused(service: Service, headers: dict[str, str], status: int, code: str) -> None:
    with service.http() as http:
        answer = http.post("/uploads", headers={**TUS, **headers})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("chunked", [False, True])
def test_no_byte_goes_beyond_the_announced_end(service: Service, *, chunked: bool) -> None:
    body = iter([b"x" * 60, b"x" * 60]) if chunked else b"x" * 120
    with service.http() as http:
        path = begin(http, 100)
        answer = http.patch(path, content=body, headers={**PIECE, "Upload-Offset": "0"})
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert offset_of(http, path) <= 100


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_a_piece_that_was_changed_on_its_way_is_dropped(service: Service, data: bytes, algorithm: str) -> None:
    half = len(data) // 2

    def checksum(piece: bytes) -> str:
        return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, piece).digest()).decode()}"

    with service.http() as http:
        path = begin(http, len(data))
        first = send(http, path, 0, data[:half], **{"Upload-Checksum": checksum(data[:half])})
        assert first.status_code == httpx.codes.NO_CONTENT
        wrong = send(http, path, half, data[half:], **{"Upload-Checksum": checksum(b"something else")})
        assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
        assert offset_of(http, path) == half
        right = send(http, path, half, data[half:], **{"Upload-Checksum": checksum(data[half:])})
        assert "pfa-video-id" in right.headers


def test_what_is_no_video_is_refused_and_its_disk_is_freed(service: Service) -> None:
    with service.http() as http:
        path = begin(http, 1000)
        answer = send(http, path, 0, b"no video " * 111 + b".")
        assert (answer.status_code, answer.json()["code"]) == (415, "video_unsupported")
        told = http.get(path).json()
        assert (told["status"], told["error"]["code"], told["video"]) == ("refused", "video_unsupported", None)
        assert http.head(path, headers=TUS).status_code == httpx.codes.GONE
        gone = send(http, path, 1000, b"")
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "video_unsupported")
    assert not (service.store.files.root / "uploads" / told["id"]).exists()


@pytest.mark.parametrize("override", [False, True])
def test_an_upload_can_be_given_up(service: Service, *, override: bool) -> None:
    with service.http() as http:
        path = begin(http, 100)
        send(http, path, 0, b"x" * 10)
        if override:
            answer = http.post(path, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
        else:
            answer = http.delete(path, headers=TUS)
        assert answer.status_code == httpx.codes.NO_CONTENT
        assert http.head(path, headers=TUS).status_code == httpx.codes.NOT_FOUND
    assert not (service.store.files.root / path.removeprefix("/")).exists()


def test_an_upload_that_nobody_goes_on_with_expires(service: Service) -> None:
    with service.http() as http:
        path = begin(http, 100)
        send(http, path, 0, b"x" * 10)
        service.store.uploads.sweep(time.time() + DAY_S + 60)
        assert not (service.store.files.root / path.removeprefix("/")).exists()
        for answer in (http.head(path, headers=TUS), send(http, path, 10, b"x")):
            assert answer.status_code == httpx.codes.GONE
        assert http.get(path).json()["status"] == "expired"


Upload = Callable[..., list[str]]


def test_a_video_from_an_upload_serves_as_any_other(service: Service, client: Client, data: bytes, name: str) -> None:
    with service.http() as http:
        path = begin(http, len(data))
        video_id = send(http, path, 0, data).headers["pfa-video-id"]
    assert client.create_dataset(name, videos=[video_id]).num_items == 1
