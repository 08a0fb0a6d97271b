"""Let the index of times hold what monitoring reads of every decision."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the wider index in the place of the old one."""
    op.drop_index("ix_predictions_at", "predictions")
    columns = ["at", "id", "model_digest", "decision", "pd", "milliseconds"]
    op.create_index("ix_predictions_at", "predictions", columns)
