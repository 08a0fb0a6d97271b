"""What came after decisions: outcomes, overrides, and what they cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    case,
    func,
    insert,
    not_,
    select,
)

from scoring.store.database import Repository
from scoring.store.engine import chosen, replacing
from scoring.store.pseudonyms import Pseudonyms
from scoring.store.records import CostSummary, Experience, Outcome, Override, RefusalSummary
from scoring.store.schema import Row, outcome_history, outcomes, overrides, policies, predictions

_REPLACING = replacing(outcomes)
_HISTORY = ("prediction_id", "defaulted", "observed_at", "recorded_at", "caller")


class Outcomes(Repository):
    """What happened after decisions, and what officers decided in their place."""

    def record(self, new: Sequence[Outcome]) -> int:
        """Record outcomes; how many were new, or other than what was known.

        The one observed last counts, and of these the one recorded last; every other that was
        ever told is in the history.
        """
        numbers = sorted({outcome.prediction_id for outcome in new})
        with self._database.writing() as connection:
            lock_decisions(connection, numbers)
            known = _outcomes_of(connection, numbers)
            latest, history, count = _merged(known, new)
            changed = [latest[own] for own in numbers if latest[own] is not known.get(own)]
            if history:
                connection.execute(insert(outcome_history), history)
            if changed:
                rows = list(map(asdict, changed))
                connection.execute(_REPLACING[connection.dialect.name], rows)
        return count

    def find(self, prediction_id: str) -> Outcome | None:
        """Return what happened after a decision, once it is known."""
        return self.of([prediction_id]).get(prediction_id)

    def of(self, numbers: Sequence[str]) -> dict[str, Outcome]:
        """Return what happened after some decisions, by their ids, as far as it is known."""
        with self._database.reading() as connection:
            return _outcomes_of(connection, numbers)

    def override(self, override: Override, seen: int | None = None) -> bool:
        """Record an officer's own decision; False, and nothing, if `seen` is not their number.

        The applicant's number is not kept in its words.
        """
        number, pseudonyms = override.prediction_id, self._database.pseudonyms
        with self._database.writing() as connection:
            lock_decisions(connection, [number])
            if seen not in (None, count_overrides(connection, number)):
                return False
            add_override(connection, override, pseudonyms)
        return True

    def overrides(self, prediction_id: str) -> list[Override]:
        """Return the overrides of a decision, the oldest first; the last one stands."""
        columns = (overrides.c[name] for name in Override.__dataclass_fields__)
        query = select(*columns).where(overrides.c.prediction_id == prediction_id)
        return [Override(*row) for row in self._rows(query.order_by(overrides.c.number))]

    def realised(self, since: datetime, false_negative: float) -> dict[str, Experience]:
        """Return what each model's loans since a time cost, and whom it refused, by its digest.

        Of an applicant's decisions by one model for one caller the last counts, or the last with
        an outcome. Refusals of each caller weigh as much as the known outcomes of its loans,
        whatever the number of its requests: whoever only asks moves nothing. Who was drawn by
        exploration is one whom the model refused.
        """
        callers: dict[str, list[Sequence[float]]] = {}
        for digest, *row in self._rows(_realised(since)):
            callers.setdefault(digest, []).append(row)
        return {digest: _together(rows, false_negative) for digest, rows in callers.items()}


def count_overrides(connection: Connection, prediction_id: str) -> int:
    """How often officers have decided in the place of a decision."""
    query = select(func.count()).where(overrides.c.prediction_id == prediction_id)
    return connection.execute(query).scalar_one()


def add_override(connection: Connection, override: Override, pseudonyms: Pseudonyms) -> None:
    """Record an officer's own decision, the applicant's number hidden in its words."""
    hidden = without_number(connection, override.prediction_id, pseudonyms)
    written = replace(override, actor=hidden(override.actor), motive=hidden(override.motive))
    connection.execute(insert(overrides), [asdict(written)])


def without_number(
    connection: Connection, prediction_id: str, pseudonyms: Pseudonyms
) -> Callable[[str], str]:
    """How a text about a decision is kept: without its applicant's number, if numbers are not."""
    if not pseudonyms.hide:
        return str
    query = select(predictions.c.applicant).where(predictions.c.id == prediction_id)
    applicant = connection.execute(query).scalar_one()
    return lambda text: pseudonyms.text(text, applicant)


def lock_decisions(connection: Connection, numbers: Sequence[str]) -> None:
    """Keep others from telling outcomes of the same predictions until the transaction ends.

    Whoever locks several does so in the order of their ids: nobody waits in a circle.
    """
    if connection.dialect.name != "postgresql":
        return
    # Those who refer to a prediction, as by overrides, are not kept waiting.
    locked = select(predictions.c.id).order_by(predictions.c.id).with_for_update(key_share=True)
    for _ in chosen(connection, locked, predictions.c.id, numbers):
        pass


def _outcomes_of(connection: Connection, numbers: Sequence[str]) -> dict[str, Outcome]:
    rows = chosen(connection, select(outcomes), outcomes.c.prediction_id, numbers)
    return {row.prediction_id: Outcome(**row._mapping) for row in rows}


def _merged(
    known: Mapping[str, Outcome], new: Sequence[Outcome]
) -> tuple[dict[str, Outcome], list[Row], int]:
    """The outcome that counts of each decision, the others, and how many said something new."""
    latest, history, count = dict(known), list[Row](), 0
    for outcome in new:
        before = latest.get(outcome.prediction_id)
        if before is None:
            latest[outcome.prediction_id] = outcome
        elif (before.defaulted, before.observed_at) != (outcome.defaulted, outcome.observed_at):
            both = sorted((before, outcome), key=lambda each: (each.observed_at, each.recorded_at))
            earlier, latest[outcome.prediction_id] = both
            history.append({name: getattr(earlier, name) for name in _HISTORY})
        else:
            continue
        count += 1
    return latest, history, count


def _realised(since: datetime) -> Select[Any]:
    """A row a model and a caller: its digest, all decided, refusals, and their outcomes."""
    own = (predictions.c.model_digest, predictions.c.caller, predictions.c.applicant)
    newest = (outcomes.c.prediction_id.is_(None), predictions.c.at.desc(), predictions.c.id.desc())
    place = func.row_number().over(partition_by=own, order_by=newest).label("place")
    drawn = predictions.c.exploration.is_not_distinct_from("drawn").label("drawn")
    columns = (*own, predictions.c.at, granted().label("granted"), drawn, predictions.c.exploration,
               predictions.c.propensity, outcomes.c.defaulted, place)  # fmt: skip
    all_of = select(*columns).outerjoin(outcomes, outcomes.c.prediction_id == predictions.c.id)
    last = all_of.where(predictions.c.at >= since).subquery()
    by_rule = last.c.granted & not_(last.c.drawn)
    known = case((by_rule, last.c.defaulted))
    explored = case((last.c.granted & last.c.drawn, last.c.defaulted))
    weight = case((explored.is_not(None), 1.0 / last.c.propensity), else_=0.0)
    good = case((explored, 0.0), else_=weight)
    refused = not_(by_rule)
    in_force = refused & (last.c.at >= select(func.max(policies.c.at)).scalar_subquery())
    by_chance = in_force & last.c.exploration.in_(("drawn", "not drawn"))
    refusals, *lately = (func.count(case((own, 1))) for own in (refused, in_force, by_chance))
    sums = (
        func.count(),
        refusals,
        func.count(known),
        func.sum(case((known, 1), else_=0)),
        func.count(explored),
        *map(func.sum, (weight, good, weight * weight, good * good)),
        *lately,
    )
    query = select(last.c.model_digest, *sums).where(last.c.place == 1)
    return query.group_by(last.c.model_digest, last.c.caller)


def _together(callers: Sequence[Sequence[float]], cost: float) -> Experience:
    """A row a caller; while no outcome is known, each request counts alike."""
    known, defaults, explored, *sums = (sum(row[i] for row in callers) for i in range(2, 9))
    heard = [row for row in callers if row[2] or not known]
    decided = int(sum(row[0] for row in heard))
    heed = [row[2] / known * decided / row[0] if known else 1.0 for row in heard]
    refused, *lately = (
        sum(row[i] * own for row, own in zip(heard, heed, strict=True)) for i in (1, 9, 10)
    )
    costs = CostSummary(int(known), defaults * cost, defaults * cost * cost)
    return Experience(costs, RefusalSummary(decided, refused, int(explored), *sums, *lately))


def granted() -> ColumnElement[bool]:
    """Whether an applicant got the loan, so that an outcome says something.

    The last override decides, else the model's own decision: one whom the model refused got it
    only where an officer accepted or exploration did, and one who was referred and has an outcome
    did.
    """
    word = func.nullif(latest_override(), "refer")
    explored = case((predictions.c.decision == "accept", "accept"))
    return func.coalesce(word, explored, predictions.c.model_decision) != "refuse"


def latest_override(number: ColumnElement[str] = predictions.c.id) -> ScalarSelect[str]:
    """What an officer decided last in the place of the decision of an id, if one did."""
    return (
        select(overrides.c.decision)
        .where(overrides.c.prediction_id == number)
        .order_by(overrides.c.number.desc())
        .limit(1)
        .scalar_subquery()
    )
