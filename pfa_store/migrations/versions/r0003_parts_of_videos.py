"""Items may be parts of a video"""

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = "pk_job_items"


def upgrade() -> None:
    with op.batch_alter_table("job_items") as table:
        table.add_column(sa.Column("part", sa.Integer(), nullable=False, server_default="0"))
        table.add_column(sa.Column("first_frame", _BIG, nullable=False, server_default="0"))
        table.add_column(sa.Column("num_frames", _BIG, nullable=True))
        table.drop_constraint(op.f(_KEY), type_="primary")
        table.create_primary_key(op.f(_KEY), ["job_id", "video_id", "part"])
    with op.batch_alter_table("job_items") as table:
        table.alter_column("part", server_default=None)
        table.alter_column("first_frame", server_default=None)


def downgrade() -> None:
    # What was cut is whole again; its parts are found on the disk by who makes the pack.
    op.execute("DELETE FROM job_items WHERE part > 0")
    with op.batch_alter_table("job_items") as table:
        table.drop_constraint(op.f(_KEY), type_="primary")
        table.create_primary_key(op.f(_KEY), ["job_id", "video_id"])
        table.drop_column("num_frames")
        table.drop_column("first_frame")
        table.drop_column("part")
