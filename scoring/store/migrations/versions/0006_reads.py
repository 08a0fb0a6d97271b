"""Make the table of who looked at what others decided."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make it."""
    op.create_table(
        "reads",
        sa.Column("number", sa.Integer(), autoincrement=True, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("caller", sa.String(length=40), nullable=False),
        sa.Column("what", sa.String(length=40), nullable=False),
        sa.Column("applicant", sa.String(length=80), nullable=False, index=True),
        sa.Column("prediction_id", sa.String(length=36), nullable=True),
    )
