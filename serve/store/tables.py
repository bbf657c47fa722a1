"""The store's tables. What can hold words is ciphertext; the rest is opaque ids, times and counts.

``alliance/serve/store/migrations`` makes them, and a test holds that the two agree.
"""

import datetime as dt
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "AnnotationRow",
    "AuditRow",
    "Base",
    "JobItemRow",
    "JobRow",
    "KeyRow",
    "MetaRow",
    "SessionRow",
    "TurnRow",
    "Utc",
]

ID: Final = String(40)
NAME: Final = String(64)
DIGEST: Final = String(64)


class Utc(TypeDecorator[dt.datetime]):
    """A moment, kept and given back in UTC; SQLite itself forgets time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        """In UTC, and without the zone where the database would drop it anyway."""
        if value is None:
            return None
        value = value.astimezone(dt.UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """With the zone UTC."""
        if value is None:
            return None
        found: dt.datetime = value
        return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


class Base(DeclarativeBase):
    """All tables of the store."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class MetaRow(Base):
    """Facts of the store as a whole: the wrapped key that its digests are made with."""

    __tablename__ = "meta"

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary)


class SessionRow(Base):
    """A stored session; its turns stand in ``turns``.

    ``facts`` holds the sender's own id, the client's, the date and what made the labels.
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    group: Mapped[str] = mapped_column("owner_group", NAME, index=True)
    created_at: Mapped[dt.datetime] = mapped_column(Utc)
    expires_at: Mapped[dt.datetime | None] = mapped_column(Utc, index=True)
    turns: Mapped[int] = mapped_column(Integer)
    data_key: Mapped[bytes] = mapped_column(LargeBinary)
    facts: Mapped[bytes] = mapped_column(LargeBinary)
    idempotency: Mapped[str | None] = mapped_column(DIGEST, unique=True)
    body_digest: Mapped[str | None] = mapped_column(DIGEST)


class TurnRow(Base):
    """One turn with what the model said of it; written once, never changed (a trigger)."""

    __tablename__ = "turns"

    session_id: Mapped[str] = mapped_column(
        ID, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    )
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class AnnotationRow(Base):
    """What one person says of one turn; ``coder`` is a digest of who, named in ``content``."""

    __tablename__ = "annotations"

    session_id: Mapped[str] = mapped_column(
        ID, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    )
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    coder: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    created_at: Mapped[dt.datetime] = mapped_column(Utc)
    changed_at: Mapped[dt.datetime] = mapped_column(Utc)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class AuditRow(Base):
    """Who did what and when. Append-only by triggers; erasure alone may blank ``value``."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True
    )
    at: Mapped[dt.datetime] = mapped_column(Utc)
    actor: Mapped[str] = mapped_column(NAME)
    group: Mapped[str] = mapped_column("owner_group", NAME)
    action: Mapped[str] = mapped_column(NAME)
    subject: Mapped[str | None] = mapped_column(ID, index=True)
    turn: Mapped[int | None] = mapped_column(Integer)
    value: Mapped[bytes | None] = mapped_column(LargeBinary)


class JobRow(Base):
    """A job: sessions to be labelled, each an item of its own in ``job_items``.

    ``data_key`` is gone once the job has expired or was erased.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "state", "leased_until"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    group: Mapped[str] = mapped_column("owner_group", NAME, index=True)
    state: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[dt.datetime] = mapped_column(Utc)
    finished_at: Mapped[dt.datetime | None] = mapped_column(Utc)
    expires_at: Mapped[dt.datetime | None] = mapped_column(Utc, index=True)
    leased_until: Mapped[dt.datetime | None] = mapped_column(Utc)
    lease: Mapped[str | None] = mapped_column(ID)
    attempts: Mapped[int] = mapped_column(Integer)
    items: Mapped[int] = mapped_column(Integer)
    options: Mapped[bytes | None] = mapped_column(LargeBinary)
    data_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    idempotency: Mapped[str | None] = mapped_column(DIGEST, unique=True)
    body_digest: Mapped[str | None] = mapped_column(DIGEST)


class JobItemRow(Base):
    """One session of a job, and what came of it once it has been labelled."""

    __tablename__ = "job_items"

    job_id: Mapped[str] = mapped_column(
        ID, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True
    )
    n: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    result: Mapped[bytes | None] = mapped_column(LargeBinary)


class KeyRow(Base):
    """An API key: its digest, never the key."""

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    group: Mapped[str] = mapped_column("owner_group", NAME)
    digest: Mapped[str] = mapped_column(String(128), unique=True)
    scopes: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[dt.datetime] = mapped_column(Utc)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(Utc)
