"""Let the index of times hold what monitoring reads of every decision."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_READ = ["at", "id", "model_digest", "decision", "pd", "milliseconds"]


def upgrade() -> None:
    """Make the wider index in the place of the old one."""
    _replace(_READ)


def downgrade() -> None:
    """Make the old one again."""
    _replace(["at"])


def _replace(columns: list[str]) -> None:
    op.drop_index("ix_predictions_at", "predictions")
    op.create_index("ix_predictions_at", "predictions", columns)
