"""Sessions of the console: what is kept, for how long, and what it tells who finds it."""

from pathlib import Path

import pytest

from api.console.sessions import LASTS_S, ConsoleSessions, anonymous
from pfa_store.files import Files
from tests.integration.store.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> ConsoleSessions:
    files = Files(tmp_path)
    files.create()
    return ConsoleSessions(files, clock)


def test_a_session_is_found_by_its_cookie_until_it_ends(sessions: ConsoleSessions) -> None:
    one, other = sessions.begin("key_1"), sessions.begin("key_2")
    assert sessions.find(one.secret) == one
    assert one.key_id == "key_1"
    assert one.secret != other.secret
    sessions.end(one.secret)
    assert sessions.find(one.secret) is None
    assert sessions.find(other.secret) == other


def test_a_session_ends_by_itself(sessions: ConsoleSessions, clock: Clock) -> None:
    session = sessions.begin("key_1")
    clock.pass_s(LASTS_S - 1)
    assert sessions.find(session.secret) is not None
    clock.pass_s(1)
    assert sessions.find(session.secret) is None


def test_what_ended_by_itself_is_swept_at_the_next_sign_in(
    sessions: ConsoleSessions, clock: Clock, tmp_path: Path
) -> None:
    old = sessions.begin("key_1")
    clock.pass_s(LASTS_S / 2)
    young = sessions.begin("key_2")
    clock.pass_s(LASTS_S / 2)
    sessions.begin("key_3")
    assert len(list((tmp_path / "sessions").iterdir())) == 2
    assert sessions.find(old.secret) is None
    assert sessions.find(young.secret) == young


@pytest.mark.parametrize("guess", ["", "x", "../../admin", "\udc80", "a" * 10_000])
def test_no_other_cookie_finds_anything(sessions: ConsoleSessions, guess: str) -> None:
    sessions.begin("key_1")
    assert sessions.find(guess) is None


def test_the_data_folder_signs_nobody_in(sessions: ConsoleSessions, tmp_path: Path) -> None:
    session = sessions.begin("key_1")
    (kept,) = (tmp_path / "sessions").iterdir()
    assert session.secret not in kept.name + kept.read_text()
    assert session.csrf not in kept.name + kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_session_that_does_not_read_is_none(sessions: ConsoleSessions, tmp_path: Path) -> None:
    session = sessions.begin("key_1")
    (kept,) = (tmp_path / "sessions").iterdir()
    kept.write_text("{")
    assert sessions.find(session.secret) is None


def test_the_token_of_a_session_is_no_other_s() -> None:
    one, other = anonymous(), anonymous()
    assert one.is_csrf(one.csrf)
    assert one.csrf == anonymous(one.secret).csrf
    for sent in (other.csrf, "", one.csrf[:-1], one.secret, "\u00e9", "\udc80"):
        assert not one.is_csrf(sent)
    assert one.secret not in repr(one)
