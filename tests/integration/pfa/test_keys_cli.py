"""`pfa keys`, on a data folder of its own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pfa.cli import app
from pfa_store.settings import Settings
from pfa_store.store import Store


def pfa(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments], env={"PFA_DATA_DIR": str(folder)})


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    made = pfa(tmp_path, "create", "the [red]app[/]", "--scopes", "read, jobs", "--json")
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)
    store = Store.open(Settings(data_dir=tmp_path))
    found = store.keys.find(key["secret"])
    assert found is not None
    assert (found.id, found.name, found.scopes) == (key["id"], "the [red]app[/]", ("read", "jobs"))
    listed = pfa(tmp_path, "list")
    assert key["id"] in listed.stdout
    assert key["secret"] not in listed.stdout
    (plain,) = json.loads(pfa(tmp_path, "list", "--json").stdout)
    assert (plain["name"], plain["revoked"]) == ("the [red]app[/]", None)
    assert "secret" not in plain
    assert pfa(tmp_path, "revoke", key["id"]).exit_code == 0
    assert store.keys.find(key["secret"]) is None
    assert json.loads(pfa(tmp_path, "list", "--json").stdout)[0]["revoked"]
    store.close()


def test_the_secret_is_the_last_line(tmp_path: Path) -> None:
    secret = pfa(tmp_path, "create", "app").stdout.splitlines()[-1]
    store = Store.open(Settings(data_dir=tmp_path))
    found = store.keys.find(secret)
    store.close()
    assert found is not None
    assert found.scopes == ("read", "predict")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("create", "app", "--scopes", "write"), "scopes must be some of"),
        (("create", "app", "--scopes", ","), "got none"),
        (("create", " "), "needs a name"),
        (("revoke", "key_none"), "There is no key"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    result = pfa(tmp_path, *arguments)
    assert result.exit_code == 1
    assert says in result.stderr
