"""From videos to predictions in the browser, then every page looked at: by axe, on a phone, in light and dark."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from pfa_core.synthetic import ClipSet, SceneConfig, make_clip_set
from tests.e2e.console.conftest import DESK_PX, PHONE_PX, Console, Scheme
from tests.e2e.console.journey import LEARN, NET, make_dataset, make_pose_dataset, start, succeeded, upload_clips
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

CRITICAL = ("serious", "critical")


@dataclass(frozen=True, slots=True)
class Made:
    """What the journey left: pages to look at, and files to ask about."""

    pages: dict[str, str]
    image: Path
    clip: Path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    """8 clips: 4 people, one of them held out, two actions; no other test makes the same."""
    return make_clip_set(
        tmp_path_factory.mktemp("clips"), num_actors=4, seed=11, config=SceneConfig(num_frames=20),
        actions=("walk", "squat"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(console: Console, clips: ClipSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The whole way, once, by clicking."""
    pack = {"short_side_px": 64, "backend": "dis"}
    with console.signed_in() as (page, _):
        upload_clips(page, clips)
        make_dataset(page, "browser-clips", clips)
        image = make_pose_dataset(page, "browser-poses", clips, tmp_path_factory.mktemp("poses"))
        pretraining = start(
            page, "pretrain", dataset="browser-clips", name="browser-walker",
            config={"net": NET, "learn": LEARN, "pack": pack, "val_triplets": 8},
        )  # fmt: skip
        succeeded(page)
        expect(page.get_by_role("link", name="browser-walker@1")).to_be_visible()
        expect(page.locator("#charts svg")).to_have_count(2)
        expect(page.locator("#charts .key.chance")).to_have_text("chance 0.6667")
        start(
            page, "finetune", task="pose", dataset="browser-poses", init="browser-walker", name="browser-joints",
            config={"net": NET, "learn": LEARN},
        )  # fmt: skip
        succeeded(page)
        start(
            page, "finetune", task="action", dataset="browser-clips", init="browser-walker", name="browser-labels",
            config={"net": NET, "learn": LEARN, "short_side_px": 64},
        )  # fmt: skip
        succeeded(page)
        start(page, "evaluate", model="browser-labels", dataset="browser-clips", split="test")
        succeeded(page)
        start(
            page, "index", collection="browser-gallery", model="browser-walker", dataset="browser-clips",
            every_frames="5",
        )  # fmt: skip
        succeeded(page)
        page.goto("/console/flow")
        page.get_by_role("link", name=Path(clips.clips[0].file).name).click()
        flow = page.url
        page.goto("/console/datasets")
        page.get_by_role("link", name="browser-poses").click()
        yield Made(
            pages={
                "overview": "/", "videos": "/console/videos", "datasets": "/console/datasets", "dataset": page.url,
                "dataset-new": "/console/datasets/new", "jobs": "/console/jobs", "job": pretraining,
                "job-new": "/console/jobs/new/pretrain",
                "job-new-predict": "/console/jobs/new/predict", "job-new-tables": "/console/jobs/new/tables",
                "models": "/console/models",
                "model": "/console/models/browser-joints/1", "play": "/console/play", "flow": "/console/flow",
                "flow-video": flow,
            },
            image=image,
            clip=clips.folder / next(clip.file for clip in clips.clips if clip.split == "test"),
        )  # fmt: skip


def predict(page: Page, made: Made) -> None:
    """Drop a picture on the first tool of the playground, and wait for the skeleton."""
    page.goto("/console/play")
    page.locator("#pose-model").select_option("browser-joints")
    page.locator("#pose-file").set_input_files(made.image)
    expect(page.locator("#pose .told")).to_contain_text("browser-joints@1 found 15 joints", timeout=60_000)


def drawn(picture: Locator) -> None:
    """Wait until a picture is there; the page's policy forbids Playwright's own way of waiting for a script."""
    picture.scroll_into_view_if_needed()
    wait_for(lambda: picture.evaluate("image => image.complete && image.naturalWidth > 0"), what="a picture")


def test_a_picture_becomes_a_skeleton_and_heatmaps(console: Console, made: Made, pictures: Path | None) -> None:
    with console.signed_in() as (page, _):
        predict(page, made)
        canvas = page.locator("#pose-canvas")
        whole = canvas.evaluate("canvas => canvas.toDataURL()")
        page.get_by_label("left wrist", exact=True).check()
        one = canvas.evaluate("canvas => canvas.toDataURL()")
        page.get_by_label("none", exact=True).check()
        assert len({whole, one, canvas.evaluate("canvas => canvas.toDataURL()")}) == 3
        page.get_by_text("The joints as a table").click()
        assert page.locator("#pose-table tbody tr").count() == 15
        page.get_by_text("The joints as a table").click()
        page.get_by_label("all joints", exact=True).check()
        if pictures is not None:
            page.screenshot(path=pictures / "play-pose.png")


def test_a_clip_becomes_labels(console: Console, made: Made) -> None:
    with console.signed_in() as (page, _):
        page.goto("/console/play")
        page.locator("#action-model").select_option("browser-labels")
        page.locator("#action-file").set_input_files(made.clip)
        expect(page.locator("#action .told")).to_contain_text("browser-labels@1:", timeout=60_000)
        shown = page.locator("#action-labels li").all()
        percents = [float(each.locator(".number").inner_text().rstrip(" %")) for each in shown]
        assert percents == sorted(percents, reverse=True)
        assert sum(percents) == pytest.approx(100, abs=0.2)


def test_a_picture_finds_its_nearest_poses(console: Console, made: Made) -> None:
    with console.signed_in() as (page, _):
        page.goto("/console/play")
        page.locator("#collection").select_option("browser-gallery")
        page.locator("#nearest-file").set_input_files(made.image)
        expect(page.locator("#neighbours li")).to_have_count(12, timeout=60_000)
        for picture in page.locator("#neighbours img").all():
            drawn(picture)


def test_a_file_that_is_no_picture_is_refused_in_words(console: Console, made: Made, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    with console.signed_in() as (page, faults):
        faults.expected += ["422", "415"]
        page.goto("/console/play")
        page.locator("#action-file").set_input_files(text)
        expect(page.locator("#action .told.alert")).to_be_visible(timeout=60_000)
        page.locator("#nearest-file").set_input_files(text)
        expect(page.locator("#nearest .told.alert")).to_contain_text("JPEG, PNG or WebP", timeout=60_000)


def test_flow_is_stepped_through(console: Console, made: Made) -> None:
    with console.signed_in() as (page, _):
        page.goto(made.pages["flow-video"])
        page.get_by_role("button", name="Next").click()
        expect(page.locator(".number")).to_have_text("1")
        expect(page.locator("#flow-picture")).to_have_attribute("src", _path(page, "/1/flow.png"))
        page.get_by_label("Frame, 0 to 18").press("End")
        expect(page.locator(".number")).to_have_text("18")
        drawn(page.locator("#flow-picture"))
        page.get_by_role("button", name="Play").click()
        page.get_by_role("button", name="Stop").click()


def _path(page: Page, end: str) -> str:
    return page.url.partition("?")[0] + end


def test_a_model_tells_where_it_came_from_and_is_promoted(console: Console, made: Made) -> None:
    with console.signed_in() as (page, _):
        page.goto(made.pages["model"])
        tree = page.locator(".tree")
        for name in ("browser-joints@1", "browser-walker@1", "browser-poses", "browser-clips"):
            expect(tree.get_by_role("link", name=name)).to_be_visible()
        expect(tree).to_contain_text("random weights")
        drawn(page.locator("img.picture"))
        page.get_by_role("button", name="Promote to production").click()
        expect(page.locator(".heading .badge.alias")).to_have_text("production")
    with console.up.http() as http:
        assert http.get("/models/browser-joints").json()["aliases"] == {"production": 1}


def test_a_job_is_paused_resumed_and_cancelled(console: Console, made: Made) -> None:
    slow = {"net": NET, "learn": {**LEARN, "steps": 100_000}, "pack": {"short_side_px": 64, "backend": "dis"}}
    with console.signed_in() as (page, _):
        start(page, "pretrain", dataset="browser-clips", name="browser-slow", config=slow)
        expect(page.locator("#progress")).to_contain_text("of 100000", timeout=120_000)
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#status .badge")).to_have_text("paused", timeout=60_000)
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#status .badge")).to_have_text("running", timeout=120_000)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#status .badge")).to_have_text("cancelled", timeout=120_000)
        expect(page.get_by_role("button", name="Retry")).to_be_visible()


def test_the_list_of_jobs_is_live(console: Console, made: Made) -> None:
    with console.signed_in() as (page, _):
        page.goto("/console/jobs")
        with console.up.http() as http:
            job = http.post("/jobs/flow", json={"dataset": "browser-clips"}).json()["id"]
        expect(page.locator(f"[data-key={job}] .badge")).to_have_text("succeeded", timeout=120_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_fault_of_accessibility(
    console: Console, made: Made, scheme: Scheme, pictures: Path | None
) -> None:
    axe = Axe()
    with console.visit(scheme=scheme) as (page, _):
        page.goto("/console/sign-in")
        assert serious(axe, page) == []
        if pictures is not None:
            page.screenshot(path=pictures / f"sign-in-{scheme}.png")
    with console.signed_in(scheme=scheme) as (page, _):
        for name, path in made.pages.items():
            page.goto(path)
            for details in page.locator("details").all():
                details.evaluate("element => { element.open = true }")
            assert serious(axe, page) == [], name
            if pictures is not None:
                page.screenshot(path=pictures / f"{name}-{scheme}.png")
        predict(page, made)
        assert serious(axe, page) == []


def serious(axe: Axe, page: Page) -> list[str]:
    found = axe.run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in CRITICAL
        for node in each["nodes"]
    ]


def test_no_page_scrolls_sideways_on_a_phone(console: Console, made: Made, pictures: Path | None) -> None:
    with console.signed_in(width_px=PHONE_PX) as (page, _):
        for name, path in made.pages.items():
            page.goto(path)
            for details in page.locator("details").all():
                details.evaluate("element => { element.open = true }")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_PX, name
            if pictures is not None:
                page.screenshot(path=pictures / f"{name}-phone.png")
        predict(page, made)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_PX


def test_the_keyboard_reaches_everything_on_the_way_to_a_job(console: Console, made: Made) -> None:
    with console.signed_in(width_px=DESK_PX) as (page, _):
        page.goto("/console/jobs/new/flow")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        reached = []
        for _step in range(30):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.name || document.activeElement.textContent.trim()"))
            if reached[-1] == "Start":
                break
        assert [name for name in reached if name in ("dataset", "preset", "seed", "priority", "config", "Start")] == [
            "dataset", "preset", "seed", "priority", "config", "Start",
        ]  # fmt: skip
