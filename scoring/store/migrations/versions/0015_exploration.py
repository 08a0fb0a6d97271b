"""Keep how likely each decision was, and who was accepted to see the outcome."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_WINDOW = ["at", "id", "model_digest", "decision", "pd", "milliseconds", "model_decision"]
_WINDOW += ["applicant", "caller", "exploration", "propensity"]


def upgrade() -> None:
    """Add the columns and their indexes; earlier decisions do not say, and nothing explored."""
    op.add_column("predictions", sa.Column("propensity", sa.Float(53)))
    op.add_column("predictions", sa.Column("exploration", sa.String(16)))
    op.add_column("predictions", sa.Column("policy", sa.Integer))
    for name in ("explore_share", "explore_bound", "explore_budget"):
        none = sa.Column(name, sa.Float(53), nullable=False, server_default=sa.text("0"))
        op.add_column("policies", none)
    op.drop_index("ix_predictions_at", "predictions")
    op.create_index("ix_predictions_at", "predictions", _WINDOW)
    some = sa.text("exploration IS NOT NULL")
    op.create_index(
        "ix_predictions_exploration",
        "predictions",
        ["exploration", "at", "pd"],
        sqlite_where=some,
        postgresql_where=some,
    )
