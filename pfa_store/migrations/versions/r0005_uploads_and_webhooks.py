"""Resumable uploads, webhooks, idempotency by route, bytes of a key"""

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_uploads()
    _create_webhooks()
    with op.batch_alter_table("dataset_items") as table:
        table.add_column(sa.Column("image_bytes", _BIG, nullable=True))
    op.create_index(op.f("ix_videos_key_id"), "videos", ["key_id"])
    _replace_idempotency()


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("tus_metadata", sa.String(), nullable=False),
        sa.Column("num_bytes", _BIG, nullable=False),
        sa.Column("keep_bytes", _BIG, nullable=True),
        sa.Column("expires_s", sa.Double(), nullable=False),
        sa.Column("video_id", sa.String(40), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error_message", sa.String(), nullable=True),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.Column("key_id", sa.String(40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_status"), "uploads", ["status"])
    op.create_index(op.f("ix_uploads_key_id"), "uploads", ["key_id"])


def _create_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.Column("key_id", sa.String(40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_key_id"), "webhooks", ["key_id"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("webhook_id", sa.String(40), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_s", sa.Double(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.Column("delivered_s", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_deliveries_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_webhook_id"), "deliveries", ["webhook_id"])
    op.create_index(op.f("ix_deliveries_job_id"), "deliveries", ["job_id"])
    op.create_index("ix_deliveries_status_next_s", "deliveries", ["status", "next_s"])


def _replace_idempotency() -> None:
    """Keys of the last day stay bound to their jobs, so that a request sent again across the upgrade is still one."""
    connection = op.get_bind()
    before = connection.execute(
        sa.text(
            "SELECT i.key_id, '/jobs/' || j.kind AS route, i.idempotency_key, i.body_sha256, i.job_id, i.created_s"
            " FROM idempotency i JOIN jobs j ON j.id = i.job_id"
        )
    ).mappings()
    rows = [{**row, "made": {"id": row["job_id"]}} for row in before]
    op.drop_table("idempotency")
    table = op.create_table(
        "idempotency",
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("route", sa.String(60), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("made", sa.JSON(), nullable=False),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "route", "idempotency_key", name=op.f("pk_idempotency")),
    )
    op.bulk_insert(table, [{name: row[name] for name in table.columns.keys()} for row in rows])  # noqa: SIM118


def downgrade() -> None:
    op.drop_table("idempotency")  # it is remembered for a day only
    op.create_table(
        "idempotency",
        sa.Column("key_id", sa.String(40), nullable=False),
        sa.Column("idempotency_key", sa.String(255), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name=op.f("pk_idempotency")),
    )
    op.drop_index(op.f("ix_videos_key_id"), "videos")
    with op.batch_alter_table("dataset_items") as table:
        table.drop_column("image_bytes")
    op.drop_table("deliveries")
    op.drop_table("webhooks")
    op.drop_table("uploads")
