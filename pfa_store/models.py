"""Models: named, versioned folders, published by one rename and one row that appear together."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from pfa_core.errors import ConfigInvalid
from pfa_core.manifest import Manifest, ModelKind
from pfa_store.attempts import hold
from pfa_store.database import Sessions, plain
from pfa_store.disk import disk_errors
from pfa_store.errors import InUse, LostLease, ModelNotFound
from pfa_store.files import Files
from pfa_store.job_record import Job
from pfa_store.job_states import DONE
from pfa_store.records import record_of
from pfa_store.schema import AliasRow, CollectionRow, JobRow, ModelRow

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,79}")
_TRIES = 10
"""Publications under one name that may collide on a version before one gives up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A published model; its files never change."""

    name: str
    version: int
    kind: ModelKind
    folder: str
    """Relative to the data folder; `Models.folder` gives the path."""
    metrics: Mapping[str, Any]
    lineage: Mapping[str, Any]
    job_id: str | None
    created_s: float
    aliases: tuple[str, ...]

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class Models:
    def __init__(self, sessions: Sessions, files: Files, clock: Callable[[], float]) -> None:
        self._sessions = sessions
        self._files = files
        self._clock = clock

    def publish(self, folder: Path, name: str, job: Job | None, *, manifest: Manifest) -> ModelVersion:
        """Turn a finished model folder (as `save_model` left it) into the next version of `name`.

        The folder is moved, which is why it must lie in the data folder. A job publishes one model: a second
        publication, by a later attempt, gives the first. A crash leaves nothing visible or a complete model: the row
        is committed after the rename, and a folder without a row is overwritten by the next publication.

        Raises:
            LostLease: this attempt of the job is no longer the one that may publish.
            ConfigInvalid: the name cannot be used.
        """
        if not _NAME.fullmatch(name):
            raise ConfigInvalid(f"A model's name is up to 80 letters, digits, '.', '_' and '-'; got {name!r}")
        if self._files.shelf.shared:
            return self._next(folder, name, job, manifest)
        # No other host may wait for its bytes inside a transaction, so it gets a name that only the row will tell.
        place = self._files.unnumbered_model(name)
        self._files.move(folder, place)
        self._files.shelf.publish(place)
        try:
            model = self._next(place, name, job, manifest)
        except LostLease:
            self._files.unpublish(place)
            raise
        if self._files.absolute(model.folder) != place:  # an earlier attempt's
            self._files.unpublish(place)
        return model

    def _next(self, folder: Path, name: str, job: Job | None, manifest: Manifest) -> ModelVersion:
        for _ in range(_TRIES - 1):
            try:
                return self._publish(folder, name, job, manifest)
            except IntegrityError:  # another process took this version
                continue
        return self._publish(folder, name, job, manifest)

    def of_job(self, job_id: str) -> ModelVersion | None:
        """The model that a job published, if it did."""
        with self._sessions.reading() as session:
            row = session.scalars(select(ModelRow).where(ModelRow.job_id == job_id)).one_or_none()
            return None if row is None else _record(session, row)

    def folder(self, model: ModelVersion) -> Path:
        """Where its files lie, on this host from now on. Raises: StoreUnavailable, ObjectDamaged, DiskFull."""
        return self._files.shelf.here(self._files.absolute(model.folder))

    def resolve(self, ref: str) -> ModelVersion:
        """The model that `name` (its newest version), `name@version` or `name@alias` means.

        Raises:
            ModelNotFound: there is no such name, version or alias.
        """
        with self._sessions.reading() as session:
            return _record(session, _resolve(session, ref))

    def list(self) -> tuple[ModelVersion, ...]:
        """The newest version of every name, by name."""
        newest = select(func.max(ModelRow.id)).group_by(ModelRow.name)
        with self._sessions.reading() as session:
            rows = session.scalars(select(ModelRow).where(ModelRow.id.in_(newest)).order_by(ModelRow.name))
            return tuple(_record(session, row) for row in rows)

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """All versions of a name, newest first. Raises: ModelNotFound."""
        statement = select(ModelRow).where(ModelRow.name == name).order_by(ModelRow.version.desc())
        with self._sessions.reading() as session:
            found = tuple(_record(session, row) for row in session.scalars(statement))
        if not found:
            raise ModelNotFound(f"There is no model {name!r}.")
        return found

    def set_alias(self, name: str, alias: str, version: int) -> ModelVersion:
        """Point `name@alias` at a version, in one step.

        Raises:
            ModelNotFound: there is no such version.
            ConfigInvalid: the alias does not start with a letter (it would read as a version).
        """
        if not _ALIAS.fullmatch(alias):
            raise ConfigInvalid(
                f"An alias starts with a letter and goes on with letters, digits, '.', '_', '-'; got {alias!r}"
            )
        with self._sessions.writing() as session:
            row = _resolve(session, f"{name}@{version}")
            session.merge(AliasRow(name=name, alias=alias, version=version, changed_s=self._clock()))
            session.flush()
            return _record(session, row)

    def remove_alias(self, name: str, alias: str) -> None:
        """Raises: ModelNotFound."""
        with self._sessions.writing() as session:
            row = session.get(AliasRow, (name, alias))
            if row is None:
                raise ModelNotFound(f"The model {name!r} has no alias {alias!r}.")
            session.delete(row)

    def delete(self, name: str, version: int) -> None:
        """Delete a version; its number is not given again.

        Raises:
            ModelNotFound: there is no such version.
            InUse: an alias, a collection or an unfinished job names it.
        """
        with self._sessions.writing() as session:
            row = _resolve(session, f"{name}@{version}")
            _refuse_if_used(session, row)
            folder = self._files.absolute(row.folder)
            session.execute(delete(ModelRow).where(ModelRow.id == row.id))
            self._files.shelf.mark(self._files.model(name, version))
        self._files.unpublish(folder)
        with disk_errors():
            self._files.model(name, version).mkdir(
                parents=True, exist_ok=True
            )  # an empty folder keeps the number, as a mark does

    def _publish(self, folder: Path, name: str, job: Job | None, manifest: Manifest) -> ModelVersion:
        with self._sessions.writing() as session:
            if job is not None:
                hold(session, job)
                published = session.scalars(select(ModelRow).where(ModelRow.job_id == job.id)).one_or_none()
                if published is not None:
                    return _record(session, published)
            version = self._next_version(session, name)
            target = self._files.model(name, version) if self._files.shelf.shared else folder
            row = ModelRow(
                name=name,
                version=version,
                kind=manifest.config.kind,
                folder=self._files.relative(target),
                metrics=plain(manifest.metrics),
                lineage=plain(asdict(manifest.lineage)),
                job_id=None if job is None else job.id,
                created_s=self._clock(),
            )
            session.add(row)
            session.flush()  # from here on no one else can publish this version
            if target != folder:
                self._files.remove(target)
                self._files.move(folder, target)
            return _record(session, row)

    def _next_version(self, session: Session, name: str) -> int:
        newest = session.scalar(select(func.max(ModelRow.version)).where(ModelRow.name == name)) or 0
        versions = self._files.model(name, 0).parent
        with disk_errors():
            folders = list(versions.iterdir()) if versions.is_dir() else []
            deleted = [int(path.name) for path in folders if path.name.isdigit() and not any(path.iterdir())]
        deleted += [int(number) for number in self._files.shelf.marks(versions)]
        return 1 + max([newest, *deleted])


def _resolve(session: Session, ref: str) -> ModelRow:
    name, _, selector = ref.partition("@")
    statement = select(ModelRow).where(ModelRow.name == name).order_by(ModelRow.version.desc()).limit(1)
    if selector.isdecimal() and len(selector) < 10:
        statement = statement.where(ModelRow.version == int(selector))
    elif selector:
        alias = session.get(AliasRow, (name, selector))
        statement = statement.where(ModelRow.version == (0 if alias is None else alias.version))
    row = session.scalars(statement).one_or_none()
    if row is None:
        raise ModelNotFound(f"There is no model {ref!r}.")
    return row


def _record(session: Session, row: ModelRow) -> ModelVersion:
    aliases = select(AliasRow.alias).where(AliasRow.name == row.name, AliasRow.version == row.version)
    return record_of(ModelVersion, row, aliases=session.scalars(aliases.order_by(AliasRow.alias)).all())


def _refuse_if_used(session: Session, row: ModelRow) -> None:
    ref = f"{row.name}@{row.version}"
    alias = session.scalar(
        select(AliasRow.alias).where(AliasRow.name == row.name, AliasRow.version == row.version).limit(1)
    )
    if alias is not None:
        raise InUse(f"The alias {alias!r} points at {ref}; move it or remove it first.")
    collection = session.scalar(select(CollectionRow.name).where(CollectionRow.model == ref).limit(1))
    if collection is not None:
        raise InUse(f"The collection {collection!r} was made with {ref}; delete the collection first.")
    for job_id, spec in session.execute(select(JobRow.id, JobRow.spec).where(JobRow.status.not_in(DONE))):
        for named in _models_of(spec):
            if named.partition("@")[0] == row.name and _means(session, named, row):
                raise InUse(f"The job {job_id} uses {ref}; cancel it or wait for its end.")


def _models_of(spec: Mapping[str, Any]) -> list[str]:
    """The models that a job's request names: one to use, one to start from, or several to compare."""
    init = spec.get("init")
    starts = init.values() if isinstance(init, Mapping) else [init]
    return [named for named in (spec.get("model"), *starts) if named]


def _means(session: Session, ref: str, row: ModelRow) -> bool:
    try:
        return _resolve(session, ref).id == row.id
    except ModelNotFound:
        return False
