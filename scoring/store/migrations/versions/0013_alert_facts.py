"""Keep the figures of an alert's sentence, to tell it in any language."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column; earlier alerts keep their sentence alone."""
    op.add_column("alerts", sa.Column("facts", sa.JSON))
