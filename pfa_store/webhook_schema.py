"""The tables of webhooks and of what is sent to them."""

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from pfa_store.schema import Base


class WebhookRow(Base):
    """An address that is told when jobs of one API key end."""

    __tablename__ = "webhooks"
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    url: Mapped[str]
    secret: Mapped[str] = mapped_column(String(100))
    """Signs what is sent, so it is kept as it is; whoever reads the database can sign."""
    created_s: Mapped[float]
    key_id: Mapped[str | None] = mapped_column(String(40), index=True)


class DeliveryRow(Base):
    """One message to one webhook. Only `pfa_store/deliveries` changes one."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_status_next_s", "status", "next_s"),)
    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    """`webhook-id`, made from webhook, job and end, so that one end is told once however many dispatchers run."""
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str] = mapped_column(String(40), index=True)
    body: Mapped[str]
    """The JSON that is sent, the same bytes in every attempt."""
    status: Mapped[str] = mapped_column(String(20))
    """`waiting`, `delivered` or `failed`."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_s: Mapped[float]
    """When it is tried next; pushed into the future while an attempt is under way."""
    last_error: Mapped[str | None]
    created_s: Mapped[float]
    delivered_s: Mapped[float | None]
