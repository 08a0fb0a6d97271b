"""Let the index of times hold what the bandit reads of every decision."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the wider index in the place of the old one."""
    op.drop_index("ix_predictions_at", "predictions")
    columns = ["at", "id", "model_digest", "decision", "pd", "milliseconds", "model_decision"]
    columns += ["applicant", "caller"]
    op.create_index("ix_predictions_at", "predictions", columns)
