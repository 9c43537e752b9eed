"""Videos: what is kept, what is refused, and why."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pfa_client import Client, ProblemError
from tests.integration.api.service import Service

FORM = "multipart/form-data; boundary=edge"


def test_an_upload_is_probed_and_the_same_bytes_are_one_video(client: Client, clips: dict[str, Path]) -> None:
    first = client.upload_videos([clips["one"], clips["two"]])
    again = client.upload_videos([clips["one"]])
    video = first.videos[0]
    assert again.videos == (video,)
    assert first.left_out == ()
    assert video.sha256 == hashlib.sha256(clips["one"].read_bytes()).hexdigest()
    assert (video.filename, video.width_px, video.height_px, video.num_frames) == ("one.mp4", 128, 96, 30)
    assert (video.container, video.fps, video.still) == ("mp4", 25, False)
    assert client.video(video.id) == video
    assert {found.id for found in client.videos()} >= {found.id for found in first.videos}


def test_a_still_video_is_known_to_be_still(client: Client, clips: dict[str, Path]) -> None:
    assert client.upload_videos([clips["still"]]).videos[0].still is True


@pytest.mark.parametrize(
    ("clip", "status", "code"),
    [
        ("text", 415, "video_unsupported"),
        ("cut", 422, "video_unreadable"),
        ("empty", 415, "video_unsupported"),
    ],
)
def test_what_is_no_video_is_refused(client: Client, clips: dict[str, Path], clip: str, status: int, code: str) -> None:
    with pytest.raises(ProblemError) as refused:
        client.upload_videos([clips[clip]])
    assert (refused.value.status, refused.value.code) == (status, code)


def test_one_bad_file_among_good_ones_is_left_out_by_name(client: Client, clips: dict[str, Path]) -> None:
    answer = client.upload_videos([clips["one"], clips["text"]])
    assert [video.filename for video in answer.videos] == ["one.mp4"]
    assert [(left.file, left.code) for left in answer.left_out] == [("text.mp4", "video_unsupported")]


def test_only_bad_files_are_a_problem_that_names_each(client: Client, clips: dict[str, Path]) -> None:
    with pytest.raises(ProblemError) as refused:
        client.upload_videos([clips["text"], clips["cut"]])
    assert (refused.value.status, refused.value.code) == (422, "no_usable_videos")
    assert [entry["file"] for entry in refused.value.facts["left_out"]] == ["text.mp4", "cut.mp4"]


def test_a_body_that_announces_too_much_is_refused(service: Service) -> None:
    with service.http() as http:
        answer = http.post("/videos", files={"files": ("big.mp4", bytes(5 * 2**20))})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_a_body_that_grows_too_large_is_refused_while_it_streams(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'
        for _ in range(10_000):
            yield bytes(65_536)

    with service.http() as http:
        answer = http.post("/videos", content=endless(), headers={"Content-Type": FORM})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "media_unsupported"),
        (FORM, b"--edge--\r\n", 422, "request_invalid"),
        (FORM, b"", 422, "request_invalid"),
        ("multipart/form-data", b"--edge--\r\n", 415, "media_unsupported"),
    ],
)
def test_what_is_no_form_is_refused(service: Service, content_type: str, body: bytes, status: int, code: str) -> None:
    with service.http() as http:
        answer = http.post("/videos", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_path_in_a_file_name_is_a_label_only(service: Service, clips: dict[str, Path]) -> None:
    with service.http() as http:
        name = "../../../tmp/evil.mp4"
        answer = http.post("/videos", files={"files": (name, clips["three"].read_bytes())})
    assert answer.status_code == httpx.codes.CREATED
    assert answer.json()["videos"][0]["filename"] in ("evil.mp4", "three.mp4")
    assert not Path("/tmp/evil.mp4").exists()


def test_nothing_is_left_in_the_temporary_folder(service: Service, client: Client, clips: dict[str, Path]) -> None:
    with pytest.raises(ProblemError):
        client.upload_videos([clips["text"]])
    assert list((service.store.files.root / "tmp").iterdir()) == []


def test_a_video_is_deleted_unless_a_data_set_holds_it(client: Client, clips: dict[str, Path], name: str) -> None:
    video = client.upload_videos([clips["long"]]).videos[0]
    client.create_dataset(name, videos=[video.id])
    with pytest.raises(ProblemError) as refused:
        client.delete_video(video.id)
    assert (refused.value.status, refused.value.code) == (409, "in_use")
    client.delete_dataset(name)
    client.delete_video(video.id)
    with pytest.raises(ProblemError) as gone:
        client.video(video.id)
    assert (gone.value.status, gone.value.code) == (404, "video_not_found")


def test_lists_go_on_where_the_last_page_ended(service: Service, client: Client, clips: dict[str, Path]) -> None:
    client.upload_videos([clips["one"], clips["two"], clips["three"]])
    with service.http() as http:
        seen, cursor = [], None
        while True:
            page = http.get("/videos", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
            seen += [video["id"] for video in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == [video.id for video in client.videos()]
        wrong = http.get("/videos", params={"cursor": "nonsense"})
        assert (wrong.status_code, wrong.json()["status"]) == (422, 422)
        assert http.get("/videos", params={"limit": 0}).status_code == httpx.codes.UNPROCESSABLE_ENTITY
