"""What is remembered of the database, with a real one and another process's connection to it."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import create_engine

from api import recall as recalled
from api.recall import Recall
from pfa_store.changes import LOOK_EVERY_S, Changes


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Question:
    """Counts how often the database was asked."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self.ask = ask
        self.times = 0

    def __call__(self) -> object:
        self.times += 1
        return self.ask()


def answers(path: Path, sql: str) -> Callable[[], object]:
    def ask() -> object:
        with sqlite3.connect(path) as connection:
            return connection.execute(sql).fetchone()[0]

    return ask


def test_an_answer_is_known_until_anyone_changes_the_database(tmp_path: Path) -> None:
    path = tmp_path / "some.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE names (meaning)")
        other.execute("INSERT INTO names VALUES (1)")
    changes = Changes(create_engine(f"sqlite:///{path}"))
    question = Question(answers(path, "SELECT meaning FROM names"))

    async def body() -> None:
        clock = Clock()
        recall = Recall(changes, clock=clock)
        assert [await recall.of("x", question) for _ in range(5)] == [1] * 5
        assert question.times == 1
        with sqlite3.connect(path) as other:
            other.execute("UPDATE names SET meaning = 2")
        clock.now_s += recalled.LOOK_EVERY_S
        assert [await recall.of("x", question) for _ in range(5)] == [2] * 5
        assert question.times == 2

    asyncio.run(body())
    changes.close()


def test_nothing_is_known_of_what_is_not_there(tmp_path: Path) -> None:
    question = Question(lambda: None)

    async def body() -> None:
        recall = Recall(Changes(create_engine(f"sqlite:///{tmp_path / 'empty.sqlite3'}")))
        assert [await recall.of("key", question) for _ in range(3)] == [None] * 3

    asyncio.run(body())
    assert question.times == 3


def test_an_answer_older_than_a_change_is_not_kept(tmp_path: Path) -> None:
    """The database changes between the question and its answer."""
    path = tmp_path / "some.sqlite3"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE names (meaning)")
    changes = Changes(create_engine(f"sqlite:///{path}"))

    def changed_meanwhile() -> int:
        with sqlite3.connect(path) as other:
            other.execute("INSERT INTO names VALUES (1)")
        return 1

    question = Question(changed_meanwhile)

    async def body() -> None:
        clock = Clock()
        recall = Recall(changes, clock=clock)
        await recall.of("x", question)
        clock.now_s += recalled.LOOK_EVERY_S
        await recall.of("x", question)

    asyncio.run(body())
    assert question.times == 2
    changes.close()


def test_a_database_out_of_reach_never_looks_unchanged(tmp_path: Path) -> None:
    changes = Changes(create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'some.sqlite3'}"))
    assert changes.stamp() != changes.stamp()


def test_a_server_s_answer_lasts_a_moment() -> None:
    now_s = 100.0
    changes = Changes(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"), clock=lambda: now_s)
    first = changes.stamp()
    assert changes.stamp() == first
    now_s += LOOK_EVERY_S
    assert changes.stamp() != first
