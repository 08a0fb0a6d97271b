"""Make the first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=16), primary_key=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_table(
        "applicants",
        sa.Column("applicant", sa.Integer(), autoincrement=False, primary_key=True),
        sa.Column("feature_set_version", sa.String(length=16), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("materialized_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "archives",
        sa.Column("digest", sa.String(length=64), primary_key=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.Integer(), autoincrement=True, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=True),
        sa.Column("model_version", sa.String(length=40), nullable=True),
        sa.Column("role", sa.String(length=16), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("worker", sa.String(length=80), nullable=False),
    )
    op.create_index("ix_events_at", "events", ["at"])

    op.create_table(
        "policies",
        sa.Column("number", sa.Integer(), autoincrement=True, primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("strategy", sa.String(length=16), nullable=False),
        sa.Column("challenger_share", sa.Float(precision=53), nullable=False),
        sa.Column("refer_all", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
    )
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(length=36), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applicant", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=True),
        sa.Column("rows_sha256", sa.String(length=64), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.Column("feature_set_version", sa.String(length=16), nullable=False),
        sa.Column("model_name", sa.String(length=200), nullable=False),
        sa.Column("model_version", sa.String(length=40), nullable=False),
        sa.Column("model_digest", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.Column("pd", sa.Float(precision=53), nullable=False),
        sa.Column("cutoff", sa.Float(precision=53), nullable=False),
        sa.Column("refer_low", sa.Float(precision=53), nullable=False),
        sa.Column("refer_high", sa.Float(precision=53), nullable=False),
        sa.Column("model_decision", sa.String(length=8), nullable=False),
        sa.Column("decision", sa.String(length=8), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("caller", sa.String(length=40), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=220), nullable=True),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("milliseconds", sa.Float(precision=53), nullable=False),
    )
    op.create_index("ix_predictions_applicant", "predictions", ["applicant", "at"])
    op.create_index("ix_predictions_at", "predictions", ["at"])
    op.create_index(
        "uq_predictions_caller", "predictions", ["caller", "idempotency_key"], unique=True
    )

    op.create_table(
        "outcome_history",
        sa.Column("number", sa.Integer(), autoincrement=True, primary_key=True),
        sa.Column(
            "prediction_id", sa.String(length=36), sa.ForeignKey("predictions.id"), nullable=False
        ),
        sa.Column("defaulted", sa.Boolean(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(length=40), nullable=False),
    )
    op.create_index("ix_outcome_history_prediction_id", "outcome_history", ["prediction_id"])

    op.create_table(
        "outcomes",
        sa.Column(
            "prediction_id", sa.String(length=36), sa.ForeignKey("predictions.id"), primary_key=True
        ),
        sa.Column("applicant", sa.String(length=80), nullable=False),
        sa.Column("defaulted", sa.Boolean(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(length=40), nullable=False),
    )
    op.create_index("ix_outcomes_observed_at", "outcomes", ["observed_at"])

    op.create_table(
        "overrides",
        sa.Column("number", sa.Integer(), autoincrement=True, primary_key=True),
        sa.Column(
            "prediction_id", sa.String(length=36), sa.ForeignKey("predictions.id"), nullable=False
        ),
        sa.Column("decision", sa.String(length=8), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("motive", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("caller", sa.String(length=40), nullable=False),
    )
    op.create_index("ix_overrides_prediction_id", "overrides", ["prediction_id"])

    op.create_table(
        "shadows",
        sa.Column(
            "prediction_id", sa.String(length=36), sa.ForeignKey("predictions.id"), primary_key=True
        ),
        sa.Column("model_digest", sa.String(length=64), primary_key=True),
        sa.Column("model_version", sa.String(length=40), nullable=False),
        sa.Column("pd", sa.Float(precision=53), nullable=False),
        sa.Column("decision", sa.String(length=8), nullable=False),
    )
