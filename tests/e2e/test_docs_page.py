"""`/docs` in a real browser, on a machine without a network."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import UpProcess
from tests.missing import missing

pytestmark = pytest.mark.e2e

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000", "--dump-dom",
)  # fmt: skip


def test_the_interactive_documentation_needs_no_other_host(up: UpProcess, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome") or missing("no Chromium is installed")
    command = [browser, *FLAGS, f"--user-data-dir={tmp_path}", f"{up.url}/docs"]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "https://" not in page.partition("</head>")[0]
    assert "/jobs/pretrain" in page  # drawn by the script from the OpenAPI document
    assert "Unable to render" not in page
