"""Keep with decisions which one they are a counter-offer to."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_INDEX = "ix_predictions_counter_offer_to"


def upgrade() -> None:
    """Add the column; of earlier decisions none is."""
    op.add_column("predictions", sa.Column("counter_offer_to", sa.String(36)))
    some = sa.text("counter_offer_to IS NOT NULL")
    op.create_index(
        _INDEX, "predictions", ["counter_offer_to"], sqlite_where=some, postgresql_where=some
    )
