"""The tables, and the triggers that hold what must not change.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.String(40)
_NAME = sa.String(64)
_DIGEST = sa.String(64)
_MOMENT = sa.DateTime(timezone=True)

# Erasure blanks `value`, and nothing else of an entry ever changes.
_KEPT = ("id", "at", "actor", "owner_group", "action", "subject", "turn")

_SQLITE = (
    "CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit WHEN NEW.value IS NOT NULL OR "
    + " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in _KEPT)
    + " BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    # INSERT OR REPLACE deletes without running the trigger of deletion
    "CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit "
    "WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "
    "BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END",
    "CREATE TRIGGER turns_are_not_changed BEFORE UPDATE ON turns "
    "BEGIN SELECT RAISE(ABORT, 'turns and their labels are never changed'); END",
    "CREATE TRIGGER turns_are_not_replaced BEFORE INSERT ON turns "
    "WHEN EXISTS (SELECT 1 FROM turns WHERE session_id = NEW.session_id AND n = NEW.n) "
    "BEGIN SELECT RAISE(ABORT, 'turns and their labels are never changed'); END",
)

_POSTGRESQL = (
    """
    CREATE FUNCTION alliance_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME; END $$
    """,
    "CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit "
    "FOR EACH ROW EXECUTE FUNCTION alliance_refuse()",
    "CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION alliance_refuse()",
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit FOR EACH ROW "
    "WHEN (NEW.value IS NOT NULL OR "
    + " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in _KEPT)
    + ") EXECUTE FUNCTION alliance_refuse()",
    "CREATE TRIGGER turns_are_not_changed BEFORE UPDATE ON turns "
    "FOR EACH ROW EXECUTE FUNCTION alliance_refuse()",
)


def upgrade() -> None:
    """Make everything."""
    op.create_table(
        "meta",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_group", _NAME, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("data_key", sa.LargeBinary(), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=False),
        sa.Column("idempotency", _DIGEST),
        sa.Column("body_digest", _DIGEST),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("idempotency", name="uq_sessions_idempotency"),
    )
    op.create_index("ix_sessions_owner_group", "sessions", ["owner_group"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "turns",
        sa.Column("session_id", _ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "n", name="pk_turns"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_turns_session_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "annotations",
        sa.Column("session_id", _ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("coder", _DIGEST, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", "n", "coder", name="pk_annotations"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.id"], name="fk_annotations_session_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("actor", _NAME, nullable=False),
        sa.Column("owner_group", _NAME, nullable=False),
        sa.Column("action", _NAME, nullable=False),
        sa.Column("subject", _ID),
        sa.Column("turn", sa.Integer()),
        sa.Column("value", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "jobs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_group", _NAME, nullable=False),
        sa.Column("state", _NAME, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT),
        sa.Column("expires_at", _MOMENT),
        sa.Column("leased_until", _MOMENT),
        sa.Column("lease", _ID),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("options", sa.LargeBinary()),
        sa.Column("data_key", sa.LargeBinary()),
        sa.Column("idempotency", _DIGEST),
        sa.Column("body_digest", _DIGEST),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("idempotency", name="uq_jobs_idempotency"),
    )
    op.create_index("ix_jobs_owner_group", "jobs", ["owner_group"])
    op.create_index("ix_jobs_expires_at", "jobs", ["expires_at"])
    op.create_index("ix_jobs_state_leased_until", "jobs", ["state", "leased_until"])
    op.create_table(
        "job_items",
        sa.Column("job_id", _ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("payload", sa.LargeBinary()),
        sa.Column("result", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("job_id", "n", name="pk_job_items"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="fk_job_items_job_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "keys",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_group", _NAME, nullable=False),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("revoked_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
