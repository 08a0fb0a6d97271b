"""Keep with decisions who lends and for how long they can be contested, as it was that day."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column; of earlier decisions it is not known."""
    op.add_column("predictions", sa.Column("terms", sa.Text))
