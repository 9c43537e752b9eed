"""The playground's tools, and the forms and pages of predictions, in the browser; models are of random weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, expect

from pfa_core.puppet.clip import SceneConfig, render_clip
from tests.e2e.console.conftest import PHONE_PX, Console
from tests.e2e.console.journey import start, succeeded
from tests.e2e.console.models import LABELS, bring, client_of
from tests.e2e.console.test_whole_way import serious
from tests.integration.clips import write_clip
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

JOINTS = 9
"""Of FLIC, which the pose model knows."""
FRAMES, FPS = 100, 25
LONG_MS = 120_000


@dataclass(frozen=True, slots=True)
class Tried:
    """What is dropped on the tools, and the models that look at it."""

    picture: Path
    """640 x 240 px: two puppets side by side."""
    empty: Path
    clip: Path
    """Of 4 s."""
    pose: str
    action: str


@pytest.fixture(scope="module")
def tried(console: Console, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    folder = tmp_path_factory.mktemp("tried")
    seen = [render_clip("walk", actor=actor, seed=3, config=SceneConfig(), only=[5]).frames[0] for actor in (1, 2)]
    for name, image in (("two.png", np.hstack(seen)), ("empty.png", np.full((240, 320, 3), 128, np.uint8))):
        assert cv2.imwrite(str(folder / name), np.ascontiguousarray(image[..., ::-1]))
    clip = write_clip(folder / "moving.mp4", num_frames=FRAMES, size=(96, 128), seed=5)
    with client_of(console.up) as client:
        uploaded = client.upload_videos([clip]).videos[0]
        client.create_dataset("tried-clips", videos=[uploaded.id])
    return Tried(
        picture=folder / "two.png", empty=folder / "empty.png", clip=clip,
        pose=bring(console.up, folder, "pose", "tried-pose"),
        action=bring(console.up, folder, "action", "tried-action"),
    )  # fmt: skip


def on_pose_tool(page: Page, people: str) -> None:
    page.goto("/console/play")
    page.locator("#pose-model").select_option("tried-pose")
    page.get_by_label("People", exact=True).select_option(people)


def pixels(page: Page) -> str:
    return str(page.locator("#pose-canvas").evaluate("canvas => canvas.toDataURL()"))


def test_people_in_boxes_that_are_drawn(console: Console, tried: Tried, pictures: Path | None) -> None:
    asked: list[list[float]] = []

    def note(request: Request) -> None:
        if "/predict/pose" in request.url:
            sent = parse_qs(urlsplit(request.url).query)["box"][0]
            asked.append([float(each) for box in sent.split(";") for each in box.split(",")])

    with console.signed_in() as (page, _):
        on_pose_tool(page, "boxes")
        page.locator("#pose-file").set_input_files(tried.picture)
        told = page.locator("#pose .told")
        expect(told).to_contain_text("Drag a box")
        page.on("request", note)
        canvas = page.locator("#pose-canvas")
        canvas.scroll_into_view_if_needed()
        place = canvas.bounding_box()
        assert place is not None
        for left, right in ((0.05, 0.45), (0.55, 0.95)):  # of the width; from 0.1 to 0.9 of the height
            page.mouse.move(place["x"] + left * place["width"], place["y"] + 0.1 * place["height"])
            page.mouse.down()
            page.mouse.move(place["x"] + right * place["width"], place["y"] + 0.9 * place["height"], steps=4)
            page.mouse.up()
            expect(told).to_contain_text(f"{tried.pose} found")
        expect(told).to_contain_text(f"found 2 people with {JOINTS} joints")
        assert asked[-1] == pytest.approx([32, 24, 256, 192, 352, 24, 256, 192], abs=2)
        first = pixels(page)
        page.get_by_label("person 2", exact=True).check()
        second = pixels(page)
        page.get_by_label("none", exact=True).check()
        assert len({first, second, pixels(page)}) == 3
        page.get_by_text("The joints as a table").click()
        expect(page.locator("#pose-table caption")).to_have_text(f"Joints of person 2 by {tried.pose}")
        xs = [float(cell) for cell in page.locator("#pose-table tbody td:nth-child(2)").all_inner_texts()]
        assert len(xs) == JOINTS
        assert all(352 <= x <= 608 for x in xs), "in the second box"
        if pictures is not None:
            page.get_by_label("all joints", exact=True).check()
            page.screenshot(path=pictures / "play-people.png", full_page=True)
        assert serious(Axe(), page) == []
        page.get_by_role("button", name="Remove all boxes").click()
        expect(told).to_contain_text("Drag a box")
        page.get_by_label("Boxes", exact=True).fill("10,10,100,200")
        page.get_by_label("Boxes", exact=True).press("Enter")
        expect(told).to_contain_text(f"{tried.pose} found {JOINTS} joints in two.png")
        expect(page.get_by_role("group", name="Whose joints")).to_be_hidden()


def test_people_are_looked_for(console: Console, tried: Tried) -> None:
    with console.signed_in() as (page, _):
        on_pose_tool(page, "hog")
        page.locator("#pose-file").set_input_files(tried.empty)
        expect(page.locator("#pose .told")).to_contain_text("nobody was found in empty.png")
        expect(page.get_by_role("group", name="Heatmap")).to_be_hidden()
        page.get_by_label("People", exact=True).select_option("whole")
        expect(page.locator("#pose .told")).to_contain_text(f"found {JOINTS} joints in empty.png")
        expect(page.get_by_role("group", name="Heatmap")).to_be_visible()


def test_a_video_becomes_one_with_skeletons(console: Console, tried: Tried, pictures: Path | None) -> None:
    with console.signed_in() as (page, _):
        on_pose_tool(page, "whole")
        page.locator("#pose-file").set_input_files(tried.clip)
        expect(page.locator("#pose .told")).to_contain_text(f"looked at {FRAMES} frames", timeout=LONG_MS)
        plays(page, "#pose-video video")
        with page.expect_download() as downloading:
            page.get_by_role("link", name="Download this video").click()
        assert cv2.VideoCapture(str(downloading.value.path())).get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
        if pictures is not None:
            page.screenshot(path=pictures / "play-video.png", full_page=True)
        page.get_by_role("link", name="The job has all figures as files").click()
        plays(page, "#results video")


def plays(page: Page, selector: str) -> None:
    """Wait until the browser knows the video's size and length: it can decode it."""
    video = page.locator(selector)
    wait_for(lambda: video.evaluate("video => video.readyState >= 1 && video.videoWidth === 128"), what="the video")
    assert video.evaluate("video => video.duration") == pytest.approx(FRAMES / FPS, abs=0.1)


def test_a_clip_becomes_labels_over_time(console: Console, tried: Tried, pictures: Path | None) -> None:
    with console.signed_in() as (page, _):
        page.goto("/console/play")
        page.locator("#action-model").select_option("tried-action")
        page.locator("#action-file").set_input_files(tried.clip)
        told = page.locator("#action .told")
        expect(told).to_contain_text("the mean of 3 windows of moving.mp4", timeout=LONG_MS)  # from 0, 1 and 2 s
        assert page.locator("#action-labels li").count() == len(LABELS)
        rows = page.locator("#action-time .strip")
        assert rows.count() == len(LABELS)
        for cells in (row.locator("rect").all() for row in rows.all()):
            edges = [float(cell.get_attribute("x") or "") for cell in cells]
            assert edges == pytest.approx([0, 1.5, 2.5], abs=0.05), "a window speaks for the time around its middle"
        page.get_by_text("Second by second as a table").click()
        lines = page.locator("#action-time tbody tr")
        assert lines.count() == 3
        for line in lines.all():
            found = [cell.rsplit(" ", 2) for cell in line.locator("td").all_inner_texts()[1:]]
            assert {label for label, _, _ in found} == set(LABELS)
            assert sum(float(percent) for _, percent, _ in found) == pytest.approx(100, abs=0.2)
        assert serious(Axe(), page) == []
        if pictures is not None:
            page.screenshot(path=pictures / "play-action.png", full_page=True)
        page.get_by_label("Look at a video").select_option("whole")
        expect(told).to_contain_text("it looked at 3 frames of moving.mp4")
        expect(rows).to_have_count(0)


def test_a_form_predicts_poses_and_its_page_shows_them(console: Console, tried: Tried, pictures: Path | None) -> None:
    with console.signed_in() as (page, _):
        start(
            page, "predict", model=tried.pose, dataset="tried-clips", **{"config.smoothing": "one_euro"},
            config={"boxes": [[0, 0, 64, 96], [64, 0, 64, 96]]},
        )  # fmt: skip
        succeeded(page)
        plays(page, "#results video")
        expect(page.locator("#results")).to_contain_text("100 frames were looked at")
        assert serious(Axe(), page) == []
        if pictures is not None:
            page.screenshot(path=pictures / "job-predict-pose.png", full_page=True)
        with page.expect_download() as downloading:
            page.get_by_role("link", name="Download poses.coco.json").click()
        coco = json.loads(downloading.value.path().read_text())
        assert len(coco["annotations"]) == 2 * FRAMES
        page.get_by_role("link", name="Frame by frame").click()
        assert page.locator("tbody tr").count() == 100, "two people in each of 50 frames"
        assert page.locator("tbody tr").nth(3).locator("th, td").all_inner_texts()[:3] == ["1", "0.04 s", "2"]
        assert serious(Axe(), page) == []
        if pictures is not None:
            page.screenshot(path=pictures / "predictions-pose.png")
        page.get_by_role("link", name="Go on").click()
        expect(page.locator("tbody tr").first.locator("th")).to_have_text("50")
        page.set_viewport_size({"width": PHONE_PX, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_PX
        page.get_by_role("link", name="To the beginning").click()
        expect(page.locator("tbody tr").first.locator("th")).to_have_text("0")


def test_a_form_predicts_actions_and_its_page_shows_them(console: Console, tried: Tried, pictures: Path | None) -> None:
    with console.signed_in() as (page, _):
        page.goto("/console/jobs/new/predict")
        page.get_by_role("link", name="Actions, second by second").click()
        page.get_by_label("Model", exact=True).select_option(tried.action)
        page.get_by_label("Data set", exact=True).select_option("")
        page.get_by_label("moving.mp4").first.check()
        page.get_by_label("A window every, seconds").fill("0.4")
        page.get_by_role("button", name="Start", exact=True).click()
        succeeded(page)
        expect(page.locator("#results .strip")).to_have_count(len(LABELS))
        assert serious(Axe(), page) == []
        page.set_viewport_size({"width": PHONE_PX, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_PX
        if pictures is not None:
            page.screenshot(path=pictures / "job-predict-action-phone.png", full_page=True)
        page.get_by_role("link", name="Window by window").click()
        times = page.locator("tbody tr").all_inner_texts()
        assert [line.split("\t")[:2] for line in times] == [
            [f"{0.4 * each:.2f} s", f"{0.4 * each + 2:.2f} s"] for each in range(6)
        ]  # windows of 2 s, every 0.4 s, in 4 s


def test_a_form_that_cannot_be_keeps_what_was_chosen(console: Console, tried: Tried) -> None:
    with console.signed_in() as (page, faults):
        faults.expected.append("422")
        page.goto("/console/jobs/new/tables")
        page.get_by_label("steady: temporal coherence").uncheck()
        page.get_by_label("tried-clips").first.check()
        page.get_by_label("Seeds").fill("2")
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("tried-clips")
        assert not page.get_by_label("steady: temporal coherence").is_checked()
        assert page.get_by_label("tried-clips").first.is_checked()
        assert page.get_by_label("Seeds").input_value() == "2"
