"""The console in a real browser: headless Chromium, driven by Playwright, watched for every fault it reports."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.conftest import UpProcess
from tests.missing import missing

Scheme = Literal["light", "dark"]
PHONE_PX, DESK_PX = 360, 1200


@dataclass(slots=True)
class Faults:
    """What the browser complained about."""

    found: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Patterns of what a test provokes."""

    def add(self, what: str) -> None:
        if not any(re.search(pattern, what) for pattern in self.expected):
            self.found.append(what)


@dataclass(frozen=True, slots=True)
class Console:
    """A browser at a service."""

    browser: Browser
    up: UpProcess

    @contextmanager
    def visit(self, *, scheme: Scheme = "light", width_px: int = DESK_PX) -> Iterator[tuple[Page, Faults]]:
        """A page of a fresh profile; in the end nothing may have gone wrong in it that was not expected."""
        context = self.browser.new_context(
            base_url=self.up.url, color_scheme=scheme, viewport={"width": width_px, "height": 900}, locale="en-GB"
        )
        context.set_default_timeout(30_000)
        faults = Faults()
        try:
            yield watched(context, faults), faults
            assert faults.found == []
        finally:
            context.close()

    @contextmanager
    def signed_in(self, *, scheme: Scheme = "light", width_px: int = DESK_PX) -> Iterator[tuple[Page, Faults]]:
        """The same, after signing in with the admin key."""
        with self.visit(scheme=scheme, width_px=width_px) as (page, faults):
            page.goto("/")
            page.get_by_label("API key").fill(self.up.admin_key)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("heading", name="Overview").wait_for()
            yield page, faults


def watched(context: BrowserContext, faults: Faults) -> Page:
    """A page whose errors, refused scripts and broken requests are noted."""
    page = context.new_page()
    page.on("console", lambda said: faults.add(f"console: {said.text}") if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.add(f"uncaught: {error}"))
    page.on("dialog", lambda dialog: dialog.accept())
    return page


@pytest.fixture(scope="session")
def console(up: UpProcess) -> Iterator[Console]:
    executable = shutil.which("chromium") or shutil.which("google-chrome") or missing("no Chromium is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield Console(browser, up)
        browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where pictures of all pages go: the folder PFA_SCREENSHOTS, if it is set."""
    folder = os.environ.get("PFA_SCREENSHOTS")
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)
