"""Keep with counter-offers who took them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column; of earlier ones it is not known."""
    op.add_column("predictions", sa.Column("actor", sa.Text))
