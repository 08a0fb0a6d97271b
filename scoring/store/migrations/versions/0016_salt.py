"""Keep the secret by which chance draws, and count each applicant once in what is spent."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column and what the index lacks; budgets that no page can show become the largest.

    Earlier policies keep what they drew by: none of them gets a secret.
    """
    op.add_column("policies", sa.Column("explore_salt", sa.String(64)))
    op.execute("UPDATE policies SET explore_budget = 1e9 WHERE explore_budget > 1e9")
    name, some = "ix_predictions_exploration", sa.text("exploration IS NOT NULL")
    op.drop_index(name, "predictions")
    spent = ["exploration", "at", "pd", "applicant", "id"]
    op.create_index(name, "predictions", spent, sqlite_where=some, postgresql_where=some)
