"""The tables of the store."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa


class Moment(sa.TypeDecorator[datetime]):
    """A time in UTC: SQLite keeps no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Turn an aware time into UTC."""
        del dialect
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Say of a stored time that it is in UTC, as it was when it was stored."""
        del dialect
        return value and value.replace(tzinfo=UTC)


_ID = sa.String(36)
_DIGEST = sa.String(64)
# All that monitoring and the bandit read of every decision: the rows themselves are a hundred
# times as long.
_READ = ("at", "id", "model_digest", "decision", "pd", "milliseconds", "model_decision",
         "applicant", "caller", "exploration", "propensity")  # fmt: skip

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("applicant", sa.String(80), nullable=False),
    sa.Column("source", sa.String(8), nullable=False),
    sa.Column("rows", sa.LargeBinary),
    sa.Column("rows_sha256", _DIGEST, nullable=False),
    sa.Column("features", sa.LargeBinary, nullable=False),
    sa.Column("feature_set_version", sa.String(16), nullable=False),
    sa.Column("model_name", sa.String(200), nullable=False),
    sa.Column("model_version", sa.String(40), nullable=False),
    sa.Column("model_digest", _DIGEST, nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("why", sa.String(40), nullable=False),
    sa.Column("pd", sa.Float(53), nullable=False),
    sa.Column("cutoff", sa.Float(53), nullable=False),
    sa.Column("refer_low", sa.Float(53), nullable=False),
    sa.Column("refer_high", sa.Float(53), nullable=False),
    sa.Column("model_decision", sa.String(8), nullable=False),
    sa.Column("decision", sa.String(8), nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("caller", sa.String(40), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("idempotency_key", sa.String(220)),
    sa.Column("request_sha256", _DIGEST, nullable=False),
    sa.Column("milliseconds", sa.Float(53), nullable=False),
    sa.Column("misunderstood", sa.Text),
    sa.Column("known", sa.Float(53)),
    sa.Column("history", sa.String(8)),
    sa.Column("refer_reasons", sa.String(80)),
    sa.Index("ix_predictions_applicant", "applicant", "at"),
    sa.Index("uq_predictions_caller", "caller", "idempotency_key", unique=True),
    # No foreign key: the decision that it answers may be purged before it.
    sa.Column("counter_offer_to", _ID),
    sa.Index(
        "ix_predictions_counter_offer_to",
        "counter_offer_to",
        sqlite_where=sa.text("counter_offer_to IS NOT NULL"),
        postgresql_where=sa.text("counter_offer_to IS NOT NULL"),
    ),
    sa.Column("terms", sa.Text),
    sa.Column("actor", sa.Text),
    sa.Column("propensity", sa.Float(53)),
    sa.Column("exploration", sa.String(16)),
    sa.Column("policy", sa.Integer),
    sa.Index("ix_predictions_at", *_READ),
    # What a month's exploration has spent is added up for every applicant who may be drawn.
    sa.Index(
        "ix_predictions_exploration",
        *("exploration", "at", "pd", "applicant", "id"),
        sqlite_where=sa.text("exploration IS NOT NULL"),
        postgresql_where=sa.text("exploration IS NOT NULL"),
    ),
)

shadows = sa.Table(
    "shadows",
    metadata,
    sa.Column("prediction_id", _ID, sa.ForeignKey("predictions.id"), primary_key=True),
    sa.Column("model_digest", _DIGEST, primary_key=True),
    sa.Column("model_version", sa.String(40), nullable=False),
    sa.Column("pd", sa.Float(53), nullable=False),
    sa.Column("decision", sa.String(8), nullable=False),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("prediction_id", _ID, sa.ForeignKey("predictions.id"), primary_key=True),
    sa.Column("applicant", sa.String(80), nullable=False),
    sa.Column("defaulted", sa.Boolean, nullable=False),
    sa.Column("observed_at", Moment, nullable=False, index=True),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("caller", sa.String(40), nullable=False),
)

# What was said of a prediction before it was corrected.
outcome_history = sa.Table(
    "outcome_history",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("prediction_id", _ID, sa.ForeignKey("predictions.id"), nullable=False, index=True),
    sa.Column("defaulted", sa.Boolean, nullable=False),
    sa.Column("observed_at", Moment, nullable=False),
    sa.Column("recorded_at", Moment, nullable=False),
    sa.Column("caller", sa.String(40), nullable=False),
)

overrides = sa.Table(
    "overrides",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("prediction_id", _ID, sa.ForeignKey("predictions.id"), nullable=False, index=True),
    sa.Column("decision", sa.String(8), nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("motive", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("caller", sa.String(40), nullable=False),
)

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("prediction_id", _ID, sa.ForeignKey("predictions.id"), nullable=False, index=True),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("due_at", Moment, nullable=False, index=True),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("caller", sa.String(40), nullable=False),
    sa.Column("assignee", sa.Text),
    sa.Column("decision", sa.String(8)),
    sa.Column("overturned", sa.Boolean),
    sa.Column("actor", sa.Text),
    sa.Column("motive", sa.Text),
    sa.Column("decided_at", Moment),
    sa.Column("decided_by", sa.String(40)),
)

# All that is deleted with a decision.
HANGING_ON = (shadows, overrides, outcomes, outcome_history, reviews)

# No foreign key: who looked stays known for as long as events do.
reads = sa.Table(
    "reads",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", Moment, nullable=False, index=True),
    sa.Column("caller", sa.String(40), nullable=False),
    sa.Column("what", sa.String(40), nullable=False),
    sa.Column("applicant", sa.String(80), nullable=False, index=True),
    sa.Column("prediction_id", _ID),
)

# What stands where in stored features, by its digest.
layouts = sa.Table(
    "layouts",
    metadata,
    sa.Column("digest", sa.String(16), primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
)

archives = sa.Table(
    "archives",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("archived_at", Moment, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", Moment, nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("model_digest", _DIGEST),
    sa.Column("model_version", sa.String(40)),
    sa.Column("role", sa.String(16)),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("worker", sa.String(80), nullable=False),
)

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("strategy", sa.String(16), nullable=False),
    sa.Column("challenger_share", sa.Float(53), nullable=False),
    sa.Column("refer_all", sa.Boolean, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("explore_share", sa.Float(53), nullable=False, server_default=sa.text("0")),
    sa.Column("explore_bound", sa.Float(53), nullable=False, server_default=sa.text("0")),
    sa.Column("explore_budget", sa.Float(53), nullable=False, server_default=sa.text("0")),
    sa.Column("explore_salt", sa.String(64)),
)

# One row from the look that found an alert to the one that does not any more.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rule", sa.String(40), nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("model_version", sa.String(40), nullable=False),
    sa.Column("model_digest", _DIGEST, nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("until", Moment, nullable=False),
    sa.Column("figure", sa.Float(53), nullable=False),
    sa.Column("threshold", sa.Float(53), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("advice", sa.Text, nullable=False),
    sa.Column("subjects", sa.JSON, nullable=False),
    sa.Column("first_at", Moment, nullable=False),
    sa.Column("last_at", Moment, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("told_at", Moment),
    sa.Column("told_severity", sa.String(16)),
    sa.Column("told_subjects", sa.JSON, nullable=False),
    sa.Column("closed_at", Moment),
    sa.Column("facts", sa.JSON(none_as_null=True)),
    sa.Index("ix_alerts_model_digest", "model_digest", "rule"),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("kind", sa.String(40), primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("values", sa.LargeBinary, nullable=False),
    sa.Column("page", sa.LargeBinary, nullable=False),
)

applicants = sa.Table(
    "applicants",
    metadata,
    sa.Column("applicant", sa.String(80), primary_key=True),
    sa.Column("feature_set_version", sa.String(16), nullable=False),
    sa.Column("features", sa.LargeBinary, nullable=False),
    sa.Column("rows", sa.LargeBinary, nullable=False),
    sa.Column("dataset", _DIGEST, nullable=False),
    sa.Column("materialized_at", Moment, nullable=False),
    sa.Column("misunderstood", sa.Text),
)

# By what the key of pseudonyms is known again.
pseudonym_keys = sa.Table(
    "pseudonym_keys", metadata, sa.Column("fingerprint", _DIGEST, primary_key=True)
)

# The numbers by which pseudonyms are known in the data that models learn from.
stand_ins = sa.Table(
    "stand_ins",
    metadata,
    sa.Column("applicant", sa.String(80), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Index("uq_stand_ins_number", "number", unique=True),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("secret_sha256", _DIGEST, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("revoked_at", Moment),
)

Row = dict[str, Any]
