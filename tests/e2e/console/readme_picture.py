"""Makes docs/images/console.png: `python -m tests.e2e.console.readme_picture FOLDER docs/images/console.png`.

Everything in the picture is made here: puppets whose joints are known are drawn, `pfa finetune` learns from them, `pfa
up` serves the model, `pfa models import` brings it there, and a picture of two puppets that it has never seen is
looked at on the playground, in boxes around them. FOLDER keeps the drawings and the model: the first picture takes half
an hour on two cores, the next a minute.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import expect, sync_playwright

from pfa_core.images import write_png
from pfa_core.puppet.clip import Clip, SceneConfig, render_clip
from pfa_core.synthetic import make_pose_images, plan_clips
from tests.e2e.conftest import start_up

NUM_ACTORS, PER_CLIP, SEED = 40, 6, 2026
VALUES = {
    "torso_scale": 4.2, "learn.steps": 4500, "learn.validate_every_steps": 500, "augment.scale": 0.25,
    "augment.translation": 0.14, "augment.rotation_deg": 8, "augment.colours": 0.3,
}  # fmt: skip
"""Crops that show the feet too, and people anywhere in them, as boxes drawn by hand do."""
SCENE = SceneConfig(width_px=640, height_px=480, shake_px=0)
UNSEEN = ((1008, "wave_both", 16), (1004, "jump", 8))
"""Actor, action and frame; those that are learned from are actors 0 to NUM_ACTORS - 1."""
ROOM = 0.12
"""Around the joints, as a part of the longer side of the box."""
NAME = "puppets"


def learned(folder: Path) -> Path:
    """The model folder; it is learned if it is not there."""
    model = folder / "model"
    if not model.exists():
        drawn = folder / "drawn"
        annotations = drawn / "annotations.json"
        if not annotations.exists():
            plan = plan_clips(num_actors=NUM_ACTORS, seed=SEED)
            make_pose_images(drawn, plan, per_clip=PER_CLIP, seed=SEED, config=SceneConfig())
        values = [part for name, value in VALUES.items() for part in ("--set", f"{name}={value}")]
        where = ["--work", str(folder / "work"), "--out", str(model)]
        pfa("finetune", str(drawn), "--annotations", str(annotations), *where, *values)
    return model


def pfa(*arguments: str, **environment: str) -> None:
    subprocess.run([sys.executable, "-m", "pfa", *arguments], check=True, env={**os.environ, **environment})


def two_puppets() -> tuple[NDArray[np.uint8], str]:
    """(H, W, 3) RGB: the second stands in the place of the first, too; and boxes around both, as they are typed."""
    first, second = (
        render_clip(action, actor=actor, seed=actor, config=SCENE, only=[frame]) for actor, action, frame in UNSEEN
    )
    cover = second.silhouette[0][..., None].astype(np.float32) / 255
    both = first.frames[0] * (1 - cover) + second.frames[0] * cover
    return np.rint(both).astype(np.uint8), "; ".join(boxed(clip) for clip in (first, second))


def boxed(clip: Clip) -> str:
    x, y, width, height = clip.person_box(0)
    room = ROOM * max(width, height)
    return ",".join(f"{value:.0f}" for value in (x - room, y - room, width + 2 * room, height + 2 * room))


def photograph(url: str, key: str, image: Path, boxes: str, target: Path) -> None:
    """Go the way of a user, and keep what the browser shows."""
    with sync_playwright() as playwright:
        executable = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1100, "height": 860}, locale="en-GB")
        page.goto(f"{url}/console/play")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("People", exact=True).select_option("boxes")
        page.get_by_label("Boxes", exact=True).fill(boxes)
        page.keyboard.press("Tab")  # a field that is left counts as changed
        page.locator("#pose-file").set_input_files(image)
        expect(page.locator("#pose .told")).to_contain_text("found 2 people", timeout=60_000)
        page.get_by_label("left wrist", exact=True).check()
        page.screenshot(path=target)
        browser.close()


def main(folder: Path, target: Path) -> None:
    model = learned(folder)
    image, boxes = two_puppets()
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch) / "two-puppets.png"
        picture.write_bytes(write_png(image))
        up = start_up(Path(scratch))
        try:
            pfa("models", "import", str(model), NAME, PFA_URL=up.url, PFA_KEY=up.admin_key)
            photograph(up.url, up.admin_key, picture, boxes, target)
        finally:
            up.stop()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
