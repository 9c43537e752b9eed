"""How many bytes a key may keep: refused while they arrive, and free again once something is deleted."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.api import media
from tests.integration.api.service import Service, running
from tests.integration.api.test_uploads import TUS, begin, send
from tests.integration.api.test_videos import FORM
from tests.integration.api.wires import half_a_request

QUOTA_BYTES = 2**20


@pytest.fixture(scope="module")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("metered"), PFA_QUOTA_BYTES=str(QUOTA_BYTES)) as service:
        yield service


@pytest.fixture
def http(metered: Service, name: str) -> Iterator[httpx.Client]:
    """With a key of its own, which keeps nothing yet."""
    _, secret = metered.store.keys.create(name, ["jobs", "read"])
    with metered.http(secret) as http:
        yield http


def refusal(answer: httpx.Response) -> dict[str, int]:
    assert (answer.status_code, answer.json()["code"]) == (413, "quota_exceeded"), answer.text
    for way in ("DELETE /videos", "DELETE /datasets", "DELETE /uploads"):
        assert way in answer.json()["detail"]
    return {name: answer.json()[name] for name in ("quota_bytes", "used_bytes", "needed_bytes")}


def test_uploads_count_in_full_from_their_beginning(http: httpx.Client) -> None:
    path = begin(http, 900_000)
    refused = http.post("/uploads", headers={**TUS, "Upload-Length": "200000"})
    assert refusal(refused) == {"quota_bytes": QUOTA_BYTES, "used_bytes": 900_000, "needed_bytes": 200_000}
    assert http.delete(path, headers=TUS).is_success
    begin(http, QUOTA_BYTES)


def test_videos_count_until_they_are_deleted(http: httpx.Client, tmp_path: Path, name: str) -> None:
    data = media.clip(tmp_path / "a.mp4", seed=int(name[1:9], 16)).read_bytes()
    path = begin(http, len(data))
    video_id = send(http, path, 0, data).headers["pfa-video-id"]
    rest = QUOTA_BYTES - len(data)
    assert refusal(http.post("/uploads", headers={**TUS, "Upload-Length": str(rest + 1)}))["used_bytes"] == len(data)
    assert http.delete(f"/videos/{video_id}").is_success
    begin(http, rest + 1)


def test_a_form_is_refused_while_it_streams(metered: Service, http: httpx.Client) -> None:
    """Two megabytes of three came, and the answer is there."""
    body = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n' + bytes(2 * 2**20)
    headers = {"Authorization": http.headers["Authorization"], "Content-Type": FORM}
    with half_a_request(metered.url, "POST", "/videos", headers, body, announced=3 * 2**20) as connection:
        answer = b""
        while b"quota_exceeded" not in answer and (more := connection.recv(65_536)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"quota_exceeded" in answer
    begin(http, QUOTA_BYTES)  # what came of the form is not counted any more


def test_small_files_count_together_and_by_key(metered: Service, http: httpx.Client, name: str) -> None:
    images = [media.encoded(media.picture(size=(300, 300), seed=seed), "PNG") for seed in range(12)]
    total = sum(map(len, images))
    assert QUOTA_BYTES / 2 < total < QUOTA_BYTES, total
    files = [("files", (f"{number}.png", image)) for number, image in enumerate(images)]
    assert http.post("/datasets", data={"name": name}, files=files).is_success
    again = http.post("/datasets", data={"name": f"{name}-2"}, files=files)
    refusal(again)
    key_id = metered.store.datasets.get(name).key_id
    assert metered.store.quota.used_bytes(key_id) == total
    with metered.http() as other:
        begin(other, QUOTA_BYTES - total)
    assert http.delete(f"/datasets/{name}").is_success
    assert metered.store.quota.used_bytes(key_id) == 0
