"""What a user does in the console, from a folder of clips to predictions, step by step."""

import json
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from pfa_core.synthetic import ClipSet, make_pose_images

NET = {"width": 0.0625, "crop_px": 64}
LEARN = {"batch_size": 8, "steps": 6, "validate_every_steps": 3, "checkpoint_every_steps": 3}
LONG_MS = 240_000


def upload_clips(page: Page, clips: ClipSet) -> None:
    """Choose the files; wait until each says that it is here."""
    page.get_by_role("link", name="Videos", exact=True).click()
    page.locator("#files").set_input_files([clips.folder / clip.file for clip in clips.clips])
    for clip in clips.clips:
        name = Path(clip.file).name
        row = page.locator("#uploads li", has_text=name)
        expect(row.get_by_text("here", exact=True)).to_be_visible(timeout=LONG_MS)
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def make_dataset(page: Page, name: str, clips: ClipSet) -> None:
    """Choose all videos and say what each shows."""
    page.goto("/console/datasets/new")
    page.locator("#name").fill(name)
    for clip in clips.clips:
        file = Path(clip.file).name
        page.get_by_label(file, exact=True).check()
        page.get_by_label(f"Label of {file}", exact=True).fill(clip.action)
        page.get_by_label(f"Group of {file}", exact=True).fill(clip.group)
        page.get_by_label(f"Split of {file}", exact=True).select_option(clip.split)
    page.get_by_role("button", name="Make the data set", exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def make_pose_dataset(page: Page, name: str, clips: ClipSet, scratch: Path) -> Path:
    """Send images with their annotations; gives one of the images."""
    annotations = make_pose_images(scratch, clips.clips, per_clip=1, seed=1, config=clips.config)
    archive = scratch / "images.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((scratch / "images").iterdir()):
            packed.write(path, path.relative_to(scratch))
    page.goto("/console/datasets/new")
    page.locator("#files-name").fill(name)
    page.locator("#files").set_input_files(archive)
    page.locator("#annotations").set_input_files(annotations)
    page.get_by_role("button", name="Send and make the data set").click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=LONG_MS)
    return next((scratch / "images").iterdir())


def start(page: Page, kind: str, *, config: dict[str, object] | None = None, **values: str) -> str:
    """Fill in the form of a job and send it; gives the path of its page."""
    page.goto(f"/console/jobs/new/{kind}")
    for name, value in values.items():
        field = page.locator(f'form [name="{name}"]')
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    if config is not None:
        page.locator("#config").fill(json.dumps(config))
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#job")).to_be_visible()
    return page.url


def succeeded(page: Page) -> None:
    """Wait, on the job's page, until the stream of events says so; nobody loads the page anew."""
    expect(page.locator("#status .badge")).to_have_text("succeeded", timeout=LONG_MS)
