"""Copies of an installation, taken while it runs.

A backup is a folder:
    backup.json       format, time, revision of the tables, and sha256 of the files below it
    tables/NAME.jsonl     every row, as a JSON object a line; the same from SQLite and from PostgreSQL
    data/             the data folder, without what is scratch
    files.jsonl       path, size and sha256 of each file of `data/`

The tables are read first, in one snapshot, and the files after them: a file is in its place before the database names
it, so all that the snapshot names is there, unless it was deleted meanwhile.
"""

import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import JSON, Connection, MetaData, Table, select

from pfa.backup_files import CopiedFile, copy_files
from pfa.errors import BackupRefused
from pfa_core.durable import flush, sha256_of
from pfa_store.database import make_engine, translated
from pfa_store.settings import Settings

FORMAT = 1
INDEX, TABLES, DATA, FILES = "backup.json", "tables", "data", "files.jsonl"
REVISION_TABLE = "alembic_version"
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What `backup.json` says."""

    format: int
    taken_s: float
    revision: str
    num_rows: int
    num_files: int
    num_bytes: int
    sha256: dict[str, str]
    """Of `files.jsonl` and of each file of `tables`, by path."""


def back_up(settings: Settings, folder: Path, *, taken_s: float) -> Backup:
    """Copy the database and the data folder; the backup appears complete or not at all.

    Raises:
        BackupRefused: something is in the way, there is no installation, or its files are in an object store.
        StoreUnavailable: the database or the data folder does not answer.
    """
    need_shared_folder(settings)
    if folder.exists():
        raise BackupRefused(f"{folder} is there already. Name a folder that is not.")
    if folder.resolve().is_relative_to(settings.data_dir.resolve()):
        raise BackupRefused(f"{folder} is inside the data folder. Keep backups elsewhere, best on another disk.")
    with translated():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        try:
            (temporary / TABLES).mkdir()
            revision, num_rows = _dump(settings, temporary / TABLES)
            copied = list(copy_files(settings.data_dir.resolve(), temporary / DATA))
            (temporary / FILES).write_text("".join(json.dumps(asdict(one)) + "\n" for one in copied))
            named = [temporary / FILES, *sorted((temporary / TABLES).iterdir())]
            backup = Backup(
                format=FORMAT,
                taken_s=taken_s,
                revision=revision,
                num_rows=num_rows,
                num_files=len(copied),
                num_bytes=sum(one.num_bytes for one in copied),
                sha256={path.relative_to(temporary).as_posix(): sha256_of(path) for path in named},
            )
            (temporary / INDEX).write_text(json.dumps(asdict(backup), indent=2) + "\n")
            os.sync()
            temporary.rename(folder)
            flush(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return backup


def need_shared_folder(settings: Settings) -> None:
    """Raises: BackupRefused: the data folder is only a cache of what there is."""
    if settings.objects_url:
        raise BackupRefused(
            f"The files of this installation are in {settings.objects_url}, of which the data folder has only a part."
            " Copy the bucket and the database with their own means; docs/object-store.md tells how."
        )


def _dump(settings: Settings, folder: Path) -> tuple[str, int]:
    """Write every table. Returns their revision, and how many rows there are."""
    engine = make_engine(settings.sqlalchemy_url)
    try:
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            if revision is None:
                raise BackupRefused(f"There is no installation to copy: the database of {settings.data_dir} is empty.")
            return revision, sum(_dump_table(connection, table, folder) for table in tables_of(connection))
    finally:
        engine.dispose()


def _dump_table(connection: Connection, table: Table, folder: Path) -> int:
    num_rows = 0
    rows = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(select(table))
    with (folder / f"{table.name}.jsonl").open("w") as file:
        for row in rows.mappings():
            file.write(json.dumps(dict(row)) + "\n")
            num_rows += 1
    return num_rows


def tables_of(connection: Connection) -> list[Table]:
    """The tables as they are in the database, each after those that it refers to."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name != REVISION_TABLE]
    for column in (column for table in tables for column in table.columns):
        if isinstance(column.type, JSON):
            column.type = JSON(none_as_null=True)
    return tables


def read_backup(folder: Path) -> tuple[Backup, list[CopiedFile]]:
    """A backup's index, after a check of everything but the data files.

    Raises:
        BackupRefused: it is no backup, of a newer layout, or damaged.
    """
    try:
        plain: dict[str, Any] = json.loads((folder / INDEX).read_bytes())
        if plain.get("format") != FORMAT:
            raise BackupRefused(f"{folder} has format {plain.get('format')}; this version reads {FORMAT}.")
        backup = Backup(**plain)
        for name, sha256 in backup.sha256.items():
            if sha256_of(folder / name) != sha256:
                raise BackupRefused(f"{folder} is damaged: {name} is not as it was written.")
        lines = (folder / FILES).read_text().splitlines()
        return backup, [CopiedFile(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise BackupRefused(f"{folder} is no complete backup: {error}") from error
