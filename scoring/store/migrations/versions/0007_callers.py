"""Let the index of times hold what the bandit reads of every decision."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_READ = ["at", "id", "model_digest", "decision", "pd", "milliseconds"]


def upgrade() -> None:
    """Make the wider index in the place of the old one."""
    _replace([*_READ, "model_decision", "applicant", "caller"])


def downgrade() -> None:
    """Make the old one again."""
    _replace(_READ)


def _replace(columns: list[str]) -> None:
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.drop_index("ix_predictions_at")
    with op.batch_alter_table("predictions", schema=None) as batch_op:
        batch_op.create_index("ix_predictions_at", columns, unique=False)
