"""`pfa packs` over a data folder with real packs."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pfa.cli import app
from pfa_core.mapped_packs import map_pack
from pfa_core.packs import Pack, build_pack, pack_key
from pfa_core.progress import run_to_end
from pfa_store.settings import Settings
from pfa_store.specs import FlowSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip

SPEC = FlowSpec(config={"short_side_px": 64, "backend": "dis"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(Settings(data_dir=tmp_path / "data", min_free_bytes=0))
    yield opened
    opened.close()


@pytest.fixture
def packs(store: Store) -> list[Pack]:
    """Of two videos, `1.mp4` and `2.mp4`."""
    made = []
    for seed in (1, 2):
        video, _ = store.videos.add(io.BytesIO(moving_clip(num_frames=4, seed=seed)), filename=f"{seed}.mp4")
        config = SPEC.resolve()
        steps = build_pack(
            store.videos.path(video),
            store.files.pack(video.sha256, pack_key(video.sha256, config)),
            config,
            video_sha256=video.sha256,
            limits=store.videos.limits,
        )
        made.append(run_to_end(steps, lambda _: None))
    return made


def pfa(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["packs", *arguments], env={"PFA_DATA_DIR": str(store.settings.data_dir)})


def answer(result: Result, *, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def damage(pack: Pack) -> None:
    path = pack.folder / "flow.bin"
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def test_list_and_size(store: Store, packs: list[Pack]) -> None:
    listed = answer(pfa(store, "list", "--json"))
    assert sorted(each["video"] for each in listed) == ["1.mp4", "2.mp4"]
    assert {each["key"] for each in listed} == {pack.folder.name for pack in packs}
    assert [each["frames"] for each in listed] == [4, 4]
    told = answer(pfa(store, "size", "--json"))
    assert told == {
        "packs": 2, "bytes": sum(each["bytes"] for each in listed),
        "mapped": 0, "mapped_bytes": 0, "unfinished": 0, "unfinished_bytes": 0,
    }  # fmt: skip
    table = pfa(store, "list").stdout
    assert "1.mp4" in table
    assert packs[0].folder.name[:16] in table
    assert "2 packs" in pfa(store, "size").stdout


def test_verify_names_what_is_damaged(store: Store, packs: list[Pack]) -> None:
    assert answer(pfa(store, "verify", "--json")) == {"checked": 2, "damaged": []}
    damage(packs[1])
    said = pfa(store, "verify")
    assert said.exit_code == 1
    assert packs[1].folder.name in said.stdout
    assert packs[0].folder.name not in said.stdout
    assert packs[1].folder.exists()
    (found,) = answer(pfa(store, "verify", "--delete", "--json"), exit_code=1)["damaged"]
    assert (found["video"], found["deleted"]) == ("2.mp4", True)
    assert not packs[1].folder.exists()
    assert pfa(store, "verify").exit_code == 0


def test_verify_deletes_nothing_that_a_job_holds(store: Store, packs: list[Pack]) -> None:
    damage(packs[0])
    job = store.jobs.add("flow", {"videos": [f"vid_{packs[0].video_sha256[:32]}"]})
    (found,) = answer(pfa(store, "verify", "--delete", "--json"), exit_code=1)["damaged"]
    assert found["deleted"] is False
    assert job.id in found["kept"]
    assert packs[0].folder.exists()


def test_prune(store: Store, packs: list[Pack]) -> None:
    assert answer(pfa(store, "prune", "--json")) == []
    left = packs[0].folder.parent / f".{packs[0].folder.name}.building"
    left.mkdir()
    (would,) = answer(pfa(store, "prune", "--dry-run", "--json"))
    assert (would["finished"], would["deleted"]) == (False, False)
    assert left.exists()
    (did,) = answer(pfa(store, "prune", "--json"))
    assert did["deleted"] is True
    assert not left.exists()
    assert "2 packs" in pfa(store, "prune", "--unused-days", "0").stdout
    assert not any(pack.folder.exists() for pack in packs)


def test_mapped_forms(store: Store, packs: list[Pack]) -> None:
    run_to_end(map_pack(packs[0]), lambda _: None)
    listed = answer(pfa(store, "list", "--json"))
    (form,) = [each for each in listed if each["mapped"]]
    assert "mapped" in pfa(store, "list").stdout
    told = answer(pfa(store, "size", "--json"))
    assert (told["packs"], told["mapped"], told["mapped_bytes"]) == (2, 1, form["bytes"])
    assert "1 mapped" in pfa(store, "size").stdout
    assert answer(pfa(store, "verify", "--json"))["checked"] == 3

    place = packs[0].folder.with_name(f"{packs[0].folder.name}.mapped")
    (place / "frames.u8").write_bytes(b"short")
    (found,) = answer(pfa(store, "verify", "--json"), exit_code=1)["damaged"]
    assert (found["key"], found["mapped"]) == (packs[0].folder.name, True)
    (did,) = answer(pfa(store, "prune", "--json"))
    assert (did["mapped"], did["deleted"]) == (True, True)
    assert not place.exists()
    assert all(pack.folder.exists() for pack in packs)


def test_settings_that_do_not_fit_are_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["packs", "list"], env={"PFA_PORT": "-1", "PFA_DATA_DIR": str(tmp_path)})
    assert result.exit_code == 1
    assert "error:" in result.stderr
