"""The tables of the store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)


class Moment(TypeDecorator[datetime]):
    """A time in UTC: SQLite keeps no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into UTC."""
        del dialect
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say of a stored time that it is in UTC, as it was when it was stored."""
        del dialect
        return value and value.replace(tzinfo=UTC)


_ID = String(36)
_DIGEST = String(64)
# All that monitoring and the bandit read of every decision: the rows themselves are a hundred
# times as long.
_READ = ("at", "id", "model_digest", "decision", "pd", "milliseconds", "model_decision",
         "applicant", "caller")  # fmt: skip

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("applicant", String(80), nullable=False),
    Column("source", String(8), nullable=False),
    Column("rows", LargeBinary),
    Column("rows_sha256", _DIGEST, nullable=False),
    Column("features", LargeBinary, nullable=False),
    Column("feature_set_version", String(16), nullable=False),
    Column("model_name", String(200), nullable=False),
    Column("model_version", String(40), nullable=False),
    Column("model_digest", _DIGEST, nullable=False),
    Column("role", String(16), nullable=False),
    Column("why", String(40), nullable=False),
    Column("pd", Float(53), nullable=False),
    Column("cutoff", Float(53), nullable=False),
    Column("refer_low", Float(53), nullable=False),
    Column("refer_high", Float(53), nullable=False),
    Column("model_decision", String(8), nullable=False),
    Column("decision", String(8), nullable=False),
    Column("reasons", Text, nullable=False),
    Column("caller", String(40), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("idempotency_key", String(220)),
    Column("request_sha256", _DIGEST, nullable=False),
    Column("milliseconds", Float(53), nullable=False),
    Column("misunderstood", Text),
    Column("known", Float(53)),
    Column("history", String(8)),
    Column("refer_reasons", String(80)),
    # No foreign key: the decision that it answers may be purged before it.
    Column("counter_offer_to", _ID),
    Index("ix_predictions_at", *_READ),
    Index("ix_predictions_applicant", "applicant", "at"),
    Index("uq_predictions_caller", "caller", "idempotency_key", unique=True),
    Index(
        "ix_predictions_counter_offer_to",
        "counter_offer_to",
        sqlite_where=text("counter_offer_to IS NOT NULL"),
        postgresql_where=text("counter_offer_to IS NOT NULL"),
    ),
)

shadows = Table(
    "shadows",
    metadata,
    Column("prediction_id", _ID, ForeignKey("predictions.id"), primary_key=True),
    Column("model_digest", _DIGEST, primary_key=True),
    Column("model_version", String(40), nullable=False),
    Column("pd", Float(53), nullable=False),
    Column("decision", String(8), nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("prediction_id", _ID, ForeignKey("predictions.id"), primary_key=True),
    Column("applicant", String(80), nullable=False),
    Column("defaulted", Boolean, nullable=False),
    Column("observed_at", Moment, nullable=False, index=True),
    Column("recorded_at", Moment, nullable=False),
    Column("caller", String(40), nullable=False),
)

# What was said of a prediction before it was corrected.
outcome_history = Table(
    "outcome_history",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("prediction_id", _ID, ForeignKey("predictions.id"), nullable=False, index=True),
    Column("defaulted", Boolean, nullable=False),
    Column("observed_at", Moment, nullable=False),
    Column("recorded_at", Moment, nullable=False),
    Column("caller", String(40), nullable=False),
)

overrides = Table(
    "overrides",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("prediction_id", _ID, ForeignKey("predictions.id"), nullable=False, index=True),
    Column("decision", String(8), nullable=False),
    Column("actor", Text, nullable=False),
    Column("motive", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("caller", String(40), nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("prediction_id", _ID, ForeignKey("predictions.id"), nullable=False, index=True),
    Column("received_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False, index=True),
    Column("words", Text, nullable=False),
    Column("caller", String(40), nullable=False),
    Column("assignee", Text),
    Column("decision", String(8)),
    Column("overturned", Boolean),
    Column("actor", Text),
    Column("motive", Text),
    Column("decided_at", Moment),
    Column("decided_by", String(40)),
)

# All that is deleted with a decision.
HANGING_ON = (shadows, overrides, outcomes, outcome_history, reviews)

# No foreign key: who looked stays known for as long as events do.
reads = Table(
    "reads",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False, index=True),
    Column("caller", String(40), nullable=False),
    Column("what", String(40), nullable=False),
    Column("applicant", String(80), nullable=False, index=True),
    Column("prediction_id", _ID),
)

# What stands where in stored features, by its digest.
layouts = Table(
    "layouts",
    metadata,
    Column("digest", String(16), primary_key=True),
    Column("content", Text, nullable=False),
)

archives = Table(
    "archives",
    metadata,
    Column("digest", _DIGEST, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("version", String(40), nullable=False),
    Column("archived_at", Moment, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False, index=True),
    Column("kind", String(40), nullable=False),
    Column("model_digest", _DIGEST),
    Column("model_version", String(40)),
    Column("role", String(16)),
    Column("detail", Text, nullable=False),
    Column("worker", String(80), nullable=False),
)

policies = Table(
    "policies",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("strategy", String(16), nullable=False),
    Column("challenger_share", Float(53), nullable=False),
    Column("refer_all", Boolean, nullable=False),
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
)

# One row from the look that found an alert to the one that does not any more.
alerts = Table(
    "alerts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("rule", String(40), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("model_version", String(40), nullable=False),
    Column("model_digest", _DIGEST, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("figure", Float(53), nullable=False),
    Column("threshold", Float(53), nullable=False),
    Column("message", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("subjects", JSON, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("times", Integer, nullable=False),
    Column("told_at", Moment),
    Column("told_severity", String(16)),
    Column("told_subjects", JSON, nullable=False),
    Column("closed_at", Moment),
    Index("ix_alerts_model_digest", "model_digest", "rule"),
)

reports = Table(
    "reports",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("values", LargeBinary, nullable=False),
    Column("page", LargeBinary, nullable=False),
)

applicants = Table(
    "applicants",
    metadata,
    Column("applicant", String(80), primary_key=True),
    Column("feature_set_version", String(16), nullable=False),
    Column("features", LargeBinary, nullable=False),
    Column("rows", LargeBinary, nullable=False),
    Column("dataset", _DIGEST, nullable=False),
    Column("materialized_at", Moment, nullable=False),
    Column("misunderstood", Text),
)

# By what the key of pseudonyms is known again.
pseudonym_keys = Table("pseudonym_keys", metadata, Column("fingerprint", _DIGEST, primary_key=True))

# The numbers by which pseudonyms are known in the data that models learn from.
stand_ins = Table(
    "stand_ins",
    metadata,
    Column("applicant", String(80), primary_key=True),
    Column("number", Integer, nullable=False),
    Index("uq_stand_ins_number", "number", unique=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("secret_sha256", _DIGEST, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
)

Row = dict[str, Any]
