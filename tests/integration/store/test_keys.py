"""API keys."""

import hashlib
import re

import pytest
import sqlalchemy

from pfa_core.errors import ConfigInvalid
from pfa_store.errors import KeyNotFound
from pfa_store.store import Store
from tests.integration.store.clock import Clock


def test_a_key_is_found_by_its_secret_alone(store: Store) -> None:
    key, secret = store.keys.create("app", ["predict", "read"])
    assert re.fullmatch(r"pfa_[A-Za-z0-9_-]{43}", secret)
    assert store.keys.find(secret) == key
    assert store.keys.find(secret + "x") is None
    assert store.keys.find("") is None
    assert store.keys.find("\ud800") is None
    assert store.keys.list() == (key,)


def test_only_the_hash_is_kept(store: Store) -> None:
    _, secret = store.keys.create("app", ["read"])
    with store.sessions.engine.connect() as connection:
        (row,) = connection.execute(sqlalchemy.text("SELECT * FROM keys")).all()
    assert secret not in str(row)
    assert hashlib.sha256(secret.encode()).hexdigest() in row


def test_scopes_allow_what_they_say(store: Store) -> None:
    key, _ = store.keys.create("app", ["predict"])
    assert [key.allows(scope) for scope in ("read", "predict", "jobs", "admin")] == [False, True, False, False]
    admin, _ = store.keys.create("boss", ["admin"])
    assert all(admin.allows(scope) for scope in ("read", "predict", "jobs", "admin"))


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "root"]])
def test_scopes_that_do_not_exist_are_refused(store: Store, scopes: list[str]) -> None:
    with pytest.raises(ConfigInvalid):
        store.keys.create("app", scopes)


def test_a_revoked_key_opens_nothing(store: Store, clock: Clock) -> None:
    key, secret = store.keys.create("app", ["admin"])
    revoked = store.keys.revoke(key.id)
    assert revoked.revoked_s == clock()
    assert not revoked.allows("read")
    assert store.keys.find(secret) is None
    clock.pass_s(5)
    assert store.keys.revoke(key.id) == revoked
    with pytest.raises(KeyNotFound):
        store.keys.revoke("key_none")


def test_the_first_start_makes_an_admin_key(store: Store) -> None:
    secret = store.keys.ensure_admin()
    assert secret is not None
    key = store.keys.find(secret)
    assert key is not None
    assert key.scopes == ("admin",)
    assert store.files.admin_key.read_text().strip() == secret
    assert store.files.admin_key.stat().st_mode & 0o777 == 0o600
    assert store.keys.ensure_admin() is None
    store.keys.revoke(key.id)
    assert store.keys.ensure_admin() is None
