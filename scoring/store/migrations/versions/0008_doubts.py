"""Keep with decisions what was not understood, how much was known, and why officers decide."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; earlier decisions do not say."""
    op.add_column("applicants", sa.Column("misunderstood", sa.Text))
    op.add_column("predictions", sa.Column("misunderstood", sa.Text))
    op.add_column("predictions", sa.Column("known", sa.Float(53)))
    op.add_column("predictions", sa.Column("history", sa.String(8)))
    op.add_column("predictions", sa.Column("refer_reasons", sa.String(80)))


def downgrade() -> None:
    """Drop them again."""
    for name in ("misunderstood", "known", "history", "refer_reasons"):
        op.drop_column("predictions", name)
    op.drop_column("applicants", "misunderstood")
