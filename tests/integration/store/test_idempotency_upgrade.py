"""An Idempotency-Key of before an upgrade is known after it, and the way back loses no job."""

from alembic import command
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from pfa_store.database import make_engine, migrations
from pfa_store.idempotency import Once
from pfa_store.settings import Settings
from pfa_store.store import Store

JOB = "job_1"


def to_revision(connection: Connection, revision: str, *, down: bool = False) -> None:
    config = migrations()
    config.attributes["connection"] = connection
    (command.downgrade if down else command.upgrade)(config, revision)


def test_a_request_of_before_the_upgrade_is_still_known(settings: Settings) -> None:
    engine = make_engine(settings.sqlalchemy_url)
    with engine.execution_options(pfa_writes=True).begin() as connection:
        to_revision(connection, "r0003")
        connection.execute(
            text(
                "INSERT INTO jobs (id, kind, queue, spec, status, phase, step, total, metrics, attempt, token,"
                " created_s) VALUES (:id, 'flow', 'flow', '{}', 'queued', '', 0, 0, '{}', 0, 0, 5)"
            ),
            {"id": JOB},
        )
        row = {"key": "key_1", "word": "again", "sha": "1" * 64, "job": JOB}
        connection.execute(text("INSERT INTO idempotency VALUES (:key, :word, :sha, :job, 5)"), row)
    store = Store.open(settings)
    once = Once(key_id="key_1", route="/jobs/flow", idempotency_key="again", body_sha256="1" * 64)
    assert store.idempotency.find(once) == {"id": JOB}
    assert store.jobs.add("flow", {"videos": ["v"]}, once=once).id == JOB
    store.close()
    with engine.execution_options(pfa_writes=True).begin() as connection:
        to_revision(connection, "r0003", down=True)
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 1
        assert MigrationContext.configure(connection).get_current_revision() == "r0003"
    again = Store.open(settings)
    assert again.jobs.get(JOB).kind == "flow"
    again.close()
    engine.dispose()
