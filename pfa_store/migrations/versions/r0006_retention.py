"""What was removed of a job, and chores that one process at a time does"""

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"
branch_labels = None
depends_on = None

_MARKS = ("history_gone_s", "files_gone_s", "checkpoints_gone_s")


def upgrade() -> None:
    # Not in a batch: SQLite would make the table anew, and dropping the old one would take events and items along.
    for name in _MARKS:
        op.add_column("jobs", sa.Column(name, sa.Double(), nullable=True))
    op.create_table(
        "chores",
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("until_s", sa.Double(), nullable=False),
        sa.Column("next_s", sa.Double(), nullable=False),
        sa.Column("tally", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_chores")),
    )


def downgrade() -> None:
    op.drop_table("chores")
    for name in _MARKS:
        op.drop_column("jobs", name)
