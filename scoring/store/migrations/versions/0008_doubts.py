"""Keep with decisions what was not understood, how much was known, and why officers decide."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns; earlier decisions do not say."""
    op.add_column("applicants", sa.Column("misunderstood", sa.Text))
    op.add_column("predictions", sa.Column("misunderstood", sa.Text))
    op.add_column("predictions", sa.Column("known", sa.Float(53)))
    op.add_column("predictions", sa.Column("history", sa.String(8)))
    op.add_column("predictions", sa.Column("refer_reasons", sa.String(80)))
