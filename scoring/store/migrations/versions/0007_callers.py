"""Let the index of times hold what the bandit reads of every decision."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_READ = ["at", "id", "model_digest", "decision", "pd", "milliseconds"]


def upgrade() -> None:
    """Make the wider index in the place of the old one."""
    op.drop_index("ix_predictions_at", "predictions")
    columns = [*_READ, "model_decision", "applicant", "caller"]
    op.create_index("ix_predictions_at", "predictions", columns)


def downgrade() -> None:
    """Make the old one again."""
    op.drop_index("ix_predictions_at", "predictions")
    op.create_index("ix_predictions_at", "predictions", _READ)
