"""Know applicants by text, which may be a pseudonym; keep what stands for pseudonyms."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make numbers texts, and the table of numbers that stand for pseudonyms."""
    _change(sa.Integer(), sa.String(length=80), "VARCHAR")
    op.create_table(
        "stand_ins",
        sa.Column("applicant", sa.String(length=80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("applicant", name=op.f("pk_stand_ins")),
    )
    op.create_index("uq_stand_ins_number", "stand_ins", ["number"], unique=True)
    op.create_table(
        "pseudonym_keys",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_pseudonym_keys")),
    )


def downgrade() -> None:
    """Make them numbers again; those known by pseudonyms have to be materialised again."""
    op.drop_table("pseudonym_keys")
    op.drop_table("stand_ins")
    op.execute("DELETE FROM applicants WHERE applicant LIKE 'p-%'")
    _change(sa.String(length=80), sa.Integer(), "INTEGER")


def _change(old: Any, new: Any, kind: str) -> None:
    with op.batch_alter_table("applicants", schema=None) as batch_op:
        batch_op.alter_column(
            "applicant", existing_type=old, type_=new, existing_nullable=False,
            postgresql_using=f"applicant::{kind}",
        )  # fmt: skip
