"""No log, event or audit line has a key in it, whatever was sent."""

import io

import httpx
import pytest

from tests.e2e.conftest import UpProcess
from tests.integration.clips import moving_clip
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

WRONG = "pfa_thisIsNoKeyButLooksLikeOneThatSomebodyTypedWrong"


def test_keys_are_in_no_file_but_the_admin_s(up: UpProcess) -> None:
    with up.http() as http:
        clip = io.BytesIO(moving_clip(num_frames=20))
        accepted = http.post(
            "/jobs/flow", files={"files": ("a.mp4", clip)}, data={"config": '{"config": {"short_side_px": 64}}'}
        )
        assert accepted.status_code == httpx.codes.ACCEPTED, accepted.text
        location = accepted.headers["Location"]
        wait_for(lambda: http.get(location).json()["done"] or None, timeout_s=120, what="the flow job")
        for headers in ({"Authorization": f"Bearer {WRONG}"}, {"X-API-Key": WRONG}):
            assert httpx.get(f"{up.url}/jobs", headers=headers).status_code == httpx.codes.UNAUTHORIZED
        http.get("/jobs", params={"key": WRONG})
    with_it = [path for path in up.data_dir.rglob("*") if path.is_file() and up.admin_key.encode() in path.read_bytes()]
    assert [path.name for path in with_it] == ["admin.key"]
    assert not [path for path in up.data_dir.rglob("*") if path.is_file() and WRONG.encode() in path.read_bytes()]
    said = up.log.read_text()
    assert said.count(up.admin_key) == 1, "the first start shows it once"
    assert WRONG not in said
