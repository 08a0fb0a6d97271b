"""Make the table of reviews, for which applicants ask."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make it."""
    decision, moment = sa.ForeignKey("predictions.id"), sa.DateTime(timezone=True)
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("prediction_id", sa.String(36), decision, nullable=False, index=True),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("due_at", moment, nullable=False, index=True),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("caller", sa.String(40), nullable=False),
        sa.Column("assignee", sa.Text),
        sa.Column("decision", sa.String(8)),
        sa.Column("overturned", sa.Boolean),
        sa.Column("actor", sa.Text),
        sa.Column("motive", sa.Text),
        sa.Column("decided_at", moment),
        sa.Column("decided_by", sa.String(40)),
    )
