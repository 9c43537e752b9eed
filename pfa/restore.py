"""An installation from a backup, on SQLite or PostgreSQL whichever it was taken from."""

import contextlib
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import Connection, Engine, Table, func, insert, inspect, select, text, update

from pfa.backup import DATA, REVISION_TABLE, TABLES, Backup, need_shared_folder, read_backup, tables_of
from pfa.backup_files import CopiedFile, copied
from pfa.errors import BackupRefused
from pfa_core.errors import IndexDamaged
from pfa_core.gallery_format import read_manifest
from pfa_store.database import known_revisions, make_engine, migrations, translated, upgrade
from pfa_store.files import Files
from pfa_store.schema import CollectionRow
from pfa_store.settings import Settings

_ROWS_AT_ONCE = 1000


def restore(settings: Settings, folder: Path) -> Backup:
    """Fill an empty installation: files first, then all tables in one transaction, then newer migrations.

    Interrupted, it can be run again.

    Raises:
        BackupRefused: the backup is damaged or from a newer version, or the installation is not empty.
        StoreUnavailable: the database or the data folder does not answer.
    """
    need_shared_folder(settings)
    backup, files = read_backup(folder)
    engine = make_engine(settings.sqlalchemy_url)
    try:
        with translated():
            _check_revision(backup)
            _check_empty(engine)
            _copy_back(folder, files, settings.data_dir)
            with engine.execution_options(pfa_writes=True).begin() as connection:
                _migrate_to(backup.revision, connection)
                for table in tables_of(connection):
                    _fill(connection, table, folder / TABLES / f"{table.name}.jsonl")
        upgrade(engine)
        Files(settings.data_dir).create()
        _count_items(engine, settings.data_dir)
    finally:
        engine.dispose()
    return backup


def _check_revision(backup: Backup) -> None:
    if backup.revision not in known_revisions():
        raise BackupRefused(
            f"The backup's tables are of revision {backup.revision}, which this version does not know. Restore with the"
            " version that made it, or a newer one."
        )


def _check_empty(engine: Engine) -> None:
    with engine.connect() as connection:
        for table in tables_of(connection):
            if connection.scalar(select(func.count()).select_from(table)):
                raise BackupRefused(
                    f"The database is not empty: {table.name} has rows. Restore into a new one (PFA_DATABASE_URL,"
                    " PFA_DATA_DIR), before anything is started on it."
                )


def _copy_back(folder: Path, files: list[CopiedFile], data_dir: Path) -> None:
    for file in files:
        target = data_dir / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            num_bytes, sha256 = copied(folder / DATA / file.path, target)
        except FileNotFoundError as error:
            raise BackupRefused(f"{folder} is damaged: {file.path} is missing.") from error
        if (num_bytes, sha256) != (file.num_bytes, file.sha256):
            target.unlink()
            raise BackupRefused(f"{folder} is damaged: {file.path} is not as it was written.")


def _migrate_to(revision: str, connection: Connection) -> None:
    """The tables as they were, whichever are there already: they are empty."""
    for table in reversed(tables_of(connection)):
        table.drop(connection)
    if inspect(connection).has_table(REVISION_TABLE):
        connection.execute(text(f"DROP TABLE {REVISION_TABLE}"))
    config = migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _fill(connection: Connection, table: Table, file: Path) -> None:
    rows = _rows(file)
    while batch := list(islice(rows, _ROWS_AT_ONCE)):
        connection.execute(insert(table), batch)
    if connection.dialect.name == "postgresql":
        _count_on(connection, table)


def _count_items(engine: Engine, data_dir: Path) -> None:
    """Let collections tell of their galleries, which were copied after their rows."""
    with engine.execution_options(pfa_writes=True).begin() as connection:
        for name, folder in connection.execute(select(CollectionRow.name, CollectionRow.folder)).all():
            if folder is not None:
                with contextlib.suppress(IndexDamaged):  # it was before, or was deleted while it was copied
                    count = read_manifest(data_dir / folder).num_items
                    row = update(CollectionRow).where(CollectionRow.name == name)
                    connection.execute(row.values(num_items=count, status="ready" if count else "empty"))


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open() as lines:
        for line in lines:
            yield json.loads(line)


def _count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that came with their numbers; SQLite does that by itself."""
    for column in table.primary_key.columns:
        sequence = connection.scalar(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
        )
        largest = connection.scalar(select(func.max(column))) if sequence else None
        if largest is not None:
            connection.execute(text("SELECT setval(:sequence, :largest)"), {"sequence": sequence, "largest": largest})
