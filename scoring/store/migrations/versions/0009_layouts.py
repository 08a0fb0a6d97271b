"""Keep what stands where in stored features, so that later code can read them by name."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table; the layouts of earlier features are not known."""
    op.create_table(
        "layouts",
        sa.Column("digest", sa.String(length=16), primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
