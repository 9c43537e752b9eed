"""The items of a job that several workers share"""

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "job_items",
        sa.Column("job_id", sa.String(length=40), nullable=False),
        sa.Column("video_id", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("pairs", _BIG, nullable=False),
        sa.Column("step", _BIG, nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("token", _BIG, nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("lease_until_s", sa.Double(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_items_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "video_id", name=op.f("pk_job_items")),
    )


def downgrade() -> None:
    op.drop_table("job_items")
