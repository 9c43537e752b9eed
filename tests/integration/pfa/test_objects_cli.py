"""`pfa objects`, `pfa doctor` and `pfa backup` where hosts share no folder."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pfa.backup import back_up
from pfa.cli import app
from pfa.doctor.objects import object_store
from pfa.errors import BackupRefused
from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.s3 import S3, s3
from workers.supervisor import environment_of


@pytest.fixture
def server() -> Iterator[S3]:
    with s3() as made:
        yield made


def test_an_existing_folder_moves_in(server: S3, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    clip = moving_clip(num_frames=4)
    before = Store.open(Settings(data_dir=tmp_path / "one", database_url=url, min_free_bytes=0))
    video, _ = before.videos.add(io.BytesIO(clip), filename="a.mp4")
    before.close()
    moved = server.settings(tmp_path / "one", database_url=url)
    for expected in (before.files.relative(before.videos.place(video)), ""):
        result = CliRunner().invoke(app, ["objects", "push"], env=dict(environment_of(moved)))
        assert result.exit_code == 0, result.output
        assert "".join(result.stdout.split()) == expected, "the second time nothing is left to do"
    other = Store.open(server.settings(tmp_path / "other", database_url=url))
    assert other.videos.path(video).read_bytes() == clip
    other.close()
    swept = CliRunner().invoke(app, ["objects", "sweep"], env=dict(environment_of(moved)))
    assert (swept.exit_code, swept.stdout) == (0, "")
    told = CliRunner().invoke(app, ["objects", "sweep", "--json"], env=dict(environment_of(moved)))
    assert json.loads(told.stdout) == {"garbage": [], "deleted": False}
    told = CliRunner().invoke(app, ["objects", "push", "--json"], env=dict(environment_of(moved)))
    assert json.loads(told.stdout) == {"pushed": []}
    with pytest.raises(BackupRefused, match="object-store"):
        back_up(moved, tmp_path / "backup", taken_s=0)


def test_the_doctor_sees_whether_the_store_takes_and_gives(server: S3, tmp_path: Path) -> None:
    settings = server.settings(tmp_path / "one")
    assert [found.verdict for found in object_store(settings)] == ["ok"]
    assert not server.stored("doctor"), "it leaves nothing behind"
    wrong = settings.model_copy(update={"objects_url": "s3://nobodys/lab"})
    assert [found.verdict for found in object_store(wrong)] == ["broken"]
    server.stop()
    assert [found.verdict for found in object_store(settings)] == ["broken"]
    assert list(object_store(Settings(data_dir=tmp_path / "two"))) == []
