"""Know applicants by text, which may be a pseudonym; keep what stands for pseudonyms."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make numbers texts, and the table of numbers that stand for pseudonyms."""
    with op.batch_alter_table("applicants") as batch_op:
        batch_op.alter_column(
            "applicant",
            existing_type=sa.Integer(),
            type_=sa.String(length=80),
            existing_nullable=False,
            postgresql_using="applicant::VARCHAR",
        )
    op.create_table(
        "stand_ins",
        sa.Column("applicant", sa.String(length=80), primary_key=True),
        sa.Column("number", sa.Integer(), nullable=False),
    )
    op.create_index("uq_stand_ins_number", "stand_ins", ["number"], unique=True)
    op.create_table(
        "pseudonym_keys",
        sa.Column("fingerprint", sa.String(length=64), primary_key=True),
    )
