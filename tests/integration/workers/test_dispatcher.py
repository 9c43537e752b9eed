"""A round of the dispatcher, beyond jobs: what nobody goes on with is cleared away."""

from pathlib import Path

from pfa_store.settings import Settings
from pfa_store.store import Store
from tests.integration.store.clock import Clock
from workers.dispatcher import tick


def test_uploads_that_nobody_goes_on_with_give_their_disk_back(tmp_path: Path) -> None:
    clock = Clock()
    store = Store.open(Settings(data_dir=tmp_path, min_free_bytes=0, upload_expires_s=60), clock=clock)
    upload = store.uploads.create(100, filename="a.mp4")
    with store.uploads.writing(upload.id) as (_, part):
        part.write(b"x" * 10)
    tick(store)
    assert store.files.upload(upload.id).stat().st_size == 10
    clock.pass_s(61)
    tick(store)
    assert not store.files.upload(upload.id).exists()
    assert store.uploads.get(upload.id).status == "expired"
    store.close()
