"""Jobs have a priority and may train with half a batch; workers are known"""

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Not in a batch: SQLite would make the table anew, and dropping the old one would take events and items along.
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("half_batch", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", _BIG, nullable=False),
        sa.Column("queue", sa.String(length=20), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("job_id", sa.String(length=40), nullable=True),
        sa.Column("started_s", sa.Double(), nullable=False),
        sa.Column("seen_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )


def downgrade() -> None:
    # The states that the revision before does not know: a paused job would never be looked at again.
    op.execute("UPDATE jobs SET status = 'queued', rung_s = NULL WHERE status = 'paused'")
    op.execute("UPDATE jobs SET status = 'running' WHERE status = 'pausing'")
    op.drop_table("workers")
    op.drop_column("jobs", "half_batch")
    op.drop_column("jobs", "priority")
