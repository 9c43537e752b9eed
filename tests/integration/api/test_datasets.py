"""Data sets: of uploaded videos, of files, of archives; annotations find their files."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from pfa_client import Client, ProblemError
from tests.integration.api import media
from tests.integration.api.service import Service

POSE = {
    "joint_names": ["l_shoulder", "r_shoulder", "nose"],
    "annotations": [
        {
            "image": "images/a.png",
            "joints": {"l_shoulder": [10, 20, 2], "r_shoulder": [30.5, 20, 1], "nose": [0, 0, 0]},
            "torso_box": [5, 5, 40, 50],
            "split": "train",
        },
        {"image": "images/b.png", "joints": {"nose": [44, 12, 2]}, "split": "test"},
    ],
}
COCO = {
    "images": [{"id": 7, "file_name": "a.png", "width": 90, "height": 120}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_wrist"]}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 30, 40], "keypoints": [3, 4, 2, 0, 0, 0]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [40, 2, 30, 40], "keypoints": [50, 4, 1, 60, 70, 2]},
    ],
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with images/a.png and images/b.png."""
    (tmp_path / "images").mkdir()
    for seed, stem in enumerate("ab"):
        (tmp_path / "images" / f"{stem}.png").write_bytes(media.encoded(media.picture(seed=seed)))
    return tmp_path


def zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def post(service: Service, name: str, *files: tuple[str, bytes], annotations: bytes | None = None) -> httpx.Response:
    parts = [("files", file) for file in files]
    if annotations is not None:
        parts.append(("annotations", ("annotations", annotations)))
    with service.http() as http:
        return http.post("/datasets", data={"name": name}, files=parts)


def items(service: Service, name: str) -> list[dict[str, object]]:
    with service.http() as http:
        return list(http.get(f"/datasets/{name}/items").json()["items"])


def test_uploaded_videos_with_what_is_known_about_them(
    service: Service, client: Client, upload: Callable[..., list[str]], name: str
) -> None:
    one, two = upload("one", "two")
    made = client.create_dataset(name, videos=[{"video": one, "label": "walk", "group": "g", "split": "test"}, two])
    assert (made.kind, made.num_items, made.labels) == ("videos", 2, ("walk",))
    assert client.dataset(name) == client.dataset(made.id) == made
    first, second = items(service, name)
    assert (first["video_id"], first["label"], first["group"], first["split"]) == (one, "walk", "g", "test")
    assert (second["video_id"], second["label"]) == (two, None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "x", "videos": [{"video": "vid_nowhere"}]}, 404, "video_not_found"),
        ({"name": "x", "videos": []}, 422, "request_invalid"),
        ({"name": "no/slash", "videos": [{"video": "v"}]}, 422, "request_invalid"),
        ({"name": "x", "videos": [{"video": "v", "lable": "typo"}]}, 422, "request_invalid"),
        ({"name": "x", "videos": [{"video": "v", "split": "exam"}]}, 422, "request_invalid"),
    ],
)
def test_what_cannot_be_made_is_refused(service: Service, body: object, status: int, code: str) -> None:
    with service.http() as http:
        answer = http.post("/datasets", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_taken_name_is_a_conflict(client: Client, upload: Callable[..., list[str]], name: str) -> None:
    client.create_dataset(name, videos=upload("one"))
    with pytest.raises(ProblemError) as refused:
        client.create_dataset(name, videos=upload("two"))
    assert (refused.value.status, refused.value.code) == (409, "name_taken")


def test_clips_with_labels_in_csv(
    service: Service, client: Client, clips: dict[str, Path], tmp_path: Path, name: str
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label,group,split\none.mp4,walk,anna,train\nfolder/two.mp4,run,ben,\n")
    made = client.create_dataset(name, files=[clips["one"], clips["two"], clips["text"]], annotations=labels)
    assert (made.num_items, made.labels) == (2, ("run", "walk"))
    assert [(left.file, left.code) for left in made.left_out] == [("text.mp4", "video_unsupported")]
    first, second = items(service, name)
    assert (first["label"], first["group"], first["split"]) == ("walk", "anna", "train")
    assert (second["label"], second["group"], second["split"]) == ("run", "ben", None)


def test_images_with_native_poses(service: Service, client: Client, images: Path, name: str) -> None:
    (images / "pose.json").write_text(json.dumps(POSE))
    files = sorted((images / "images").iterdir())
    made = client.create_dataset(name, files=files, root=images, annotations=images / "pose.json")
    assert (made.kind, made.joint_names) == ("images", ("left_shoulder", "right_shoulder", "nose"))
    first, second = items(service, name)
    assert (first["file"], first["split"], second["split"]) == ("images/a.png", "train", "test")
    person = first["person"]
    assert isinstance(person, dict)
    assert person["joints"] == {"left_shoulder": [10, 20, 2], "right_shoulder": [30.5, 20, 1]}
    assert person["torso_box"] == [5, 5, 40, 50]


def test_coco_keypoints_give_an_item_a_person(service: Service, client: Client, images: Path, name: str) -> None:
    (images / "coco.json").write_text(json.dumps(COCO))
    files = sorted((images / "images").iterdir())
    made = client.create_dataset(name, files=files, root=images, annotations=images / "coco.json")
    assert made.joint_names == ("nose", "left_wrist")
    found = items(service, name)
    assert [item["file"] for item in found] == ["images/a.png", "images/a.png", "images/b.png"]
    people = [item["person"] for item in found]
    assert isinstance(people[0], dict)
    assert people[0]["person_box"] == [1, 2, 30, 40]
    assert people[2] is None


def test_an_archive_is_as_good_as_its_files(service: Service, images: Path, name: str) -> None:
    members = {f"images/{stem}.png": (images / "images" / f"{stem}.png").read_bytes() for stem in "ab"}
    answer = post(service, name, ("all.zip", zipped(members)), annotations=json.dumps(POSE).encode())
    assert answer.status_code == httpx.codes.CREATED
    assert answer.json()["num_items"] == 2


def test_an_archive_of_clips(service: Service, clips: dict[str, Path], name: str) -> None:
    members = {f"walk/{stem}.mp4": clips[stem].read_bytes() for stem in ("one", "two")}
    answer = post(service, name, ("all.zip", zipped(members)))
    assert (answer.status_code, answer.json()["kind"], answer.json()["num_items"]) == (201, "videos", 2)


PNG = media.encoded(media.picture())
ONE_PIXEL = media.encoded(media.picture(size=(1, 1)))


@pytest.mark.parametrize(
    ("files", "annotations", "status", "code"),
    [
        ([("a.zip", zipped({"../../evil.png": PNG}))], None, 422, "archive_invalid"),
        ([("a.zip", zipped({"a.png": PNG})[:90])], None, 422, "archive_invalid"),
        ([("a.zip", zipped({"zeros.png": bytes(40 * 2**20)}))], None, 413, "payload_too_large"),
        ([("a.png", ONE_PIXEL)], None, 422, "image_too_small"),
        ([("a.png", media.png_that_claims(30_000, 30_000))], None, 413, "image_too_large"),
        ([("a.png", PNG[:200])], None, 422, "image_unreadable"),
        ([("a.png", PNG), ("b.txt", b"words")], None, 422, "request_invalid"),
        ([("a.png", PNG)], b"{not json", 422, "annotations_invalid"),
        ([("a.png", PNG)], b"name,label\na.png,x\n", 422, "annotations_invalid"),
        ([("a.png", PNG)], b"file,label\nother.png,x\n", 422, "annotations_invalid"),
    ],
    ids=["leads out", "cut zip", "bomb", "one pixel", "giant header", "cut image", "mixed", "no json", "no file column",
         "not sent"],
)  # fmt: skip
def test_bad_files_are_refused(
    service: Service,
    name: str,
    *,
    files: list[tuple[str, bytes]],
    annotations: bytes | None,
    status: int,
    code: str,
) -> None:
    answer = post(service, name, *files, annotations=annotations)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert list((service.store.files.root / "tmp").iterdir()) == []


def test_a_form_needs_a_name_and_files(service: Service) -> None:
    with service.http() as http:
        nameless = http.post("/datasets", files={"files": ("a.png", PNG)})
        empty = http.post("/datasets", data={"name": "x"}, files={"annotations": ("a.csv", b"file\n")})
        unsafe = http.post("/datasets", data={"name": "../x"}, files={"files": ("a.png", PNG)})
    assert [answer.json()["code"] for answer in (nameless, empty, unsafe)] == ["request_invalid"] * 3


def test_more_than_a_thousand_files_in_one_form(service: Service, client: Client, tmp_path: Path, name: str) -> None:
    paths = []
    for number in range(1100):
        path = tmp_path / f"{number:04d}.png"
        path.write_bytes(media.encoded(media.picture(size=(16, 16), seed=number % 7)))
        paths.append(path)
    assert client.create_dataset(name, files=paths).num_items == 1100
    assert len(items(service, name)) == 200


def test_two_different_clips_of_one_name_are_both_in(service: Service, clips: dict[str, Path], name: str) -> None:
    data = [clips[clip].read_bytes() for clip in ("one", "two")]
    answer = post(service, name, *(("clip.mp4", content) for content in data))
    assert answer.status_code == 201
    assert answer.json()["num_items"] == 2
    assert answer.json()["left_out"] == []
    with service.http() as http:
        again = http.post("/videos", files=[("files", ("clip.mp4", content)) for content in data])
    assert len({video["id"] for video in again.json()["videos"]}) == 2


def test_an_annotation_of_a_name_that_two_files_have_is_refused(
    service: Service, clips: dict[str, Path], name: str
) -> None:
    files = [("clip.mp4", clips[clip].read_bytes()) for clip in ("one", "two")]
    answer = post(service, name, *files, annotations=b"file,label\nclip.mp4,walk\n")
    assert answer.status_code == 422
    assert answer.json()["code"] == "annotations_invalid"
    assert "clip.mp4" in answer.json()["detail"]
