"""All that is on record about one person: told, erased, or put under a pseudonym."""

import hashlib
import time
import zlib

from sqlalchemy import Connection, case, delete, select, update

from scoring.store.database import Repository
from scoring.store.deadlines import LONG_SECONDS, PAUSE_SECONDS
from scoring.store.errors import StoreError
from scoring.store.pseudonyms import ERASED, Pseudonyms, is_plain, notice
from scoring.store.schema import (
    HANGING_ON,
    Row,
    applicants,
    outcomes,
    overrides,
    predictions,
    reads,
    reviews,
    stand_ins,
)

_PIECE = 200
# What remains of a decision says when it was taken, by which model, and what it was.
_EMPTIED = {
    "applicant": ERASED, "rows": None, "rows_sha256": "", "features": b"", "reasons": "[]",
    "request_id": "", "idempotency_key": None, "request_sha256": "", "misunderstood": None,
    "actor": case((predictions.c.actor.is_not(None), ERASED)),
}  # fmt: skip

_EMPTIED_REVIEW = dict.fromkeys(("words", "assignee", "actor", "motive"), ERASED)


class Privacy(Repository):
    """What is on record about one person, and how persons are known."""

    def on_record(self, sk_id_curr: int) -> dict[str, list[Row]]:
        """Return all rows about one applicant, by table, as they are kept."""
        names = self._names(sk_id_curr)
        own = select(predictions.c.id).where(predictions.c.applicant.in_(names))
        about = {table: table.c.applicant.in_(names) for table in (applicants, predictions, reads)}
        about |= {table: table.c.prediction_id.in_(own) for table in HANGING_ON}
        queries = {table.name: select(table).where(where) for table, where in about.items()}
        with self._database.reading(LONG_SECONDS) as connection:
            return {
                name: [dict(row) for row in connection.execute(query).mappings()]
                for name, query in queries.items()
            }

    def erase(self, sk_id_curr: int) -> dict[str, int]:
        """Erase one applicant: what they are known by, and all that is known of them.

        Of each decision remains that it was taken: when, by which model, the PD, what it was held
        against, what was decided and what came of it; so it does of each review that was decided.

        Returns
        -------
        dict of str to int
            How many rows were emptied or deleted, by table.
        """
        names = self._names(sk_id_curr)
        own = predictions.c.applicant.in_(names)
        decisions = select(predictions.c.id).where(own)
        overridden = overrides.c.prediction_id.in_(decisions)
        settled = outcomes.c.prediction_id.in_(decisions)
        contested = reviews.c.prediction_id.in_(decisions)
        open_still = contested & reviews.c.decided_at.is_(None)
        changes = {
            "applicants": delete(applicants).where(applicants.c.applicant.in_(names)),
            "stand_ins": delete(stand_ins).where(stand_ins.c.applicant.in_(names)),
            "reads": update(reads).where(reads.c.applicant.in_(names)).values(applicant=ERASED),
            "overrides": update(overrides).where(overridden).values(actor=ERASED, motive=ERASED),
            "open_reviews": delete(reviews).where(open_still),
            "reviews": update(reviews).where(contested).values(_EMPTIED_REVIEW),
            "outcomes": update(outcomes).where(settled).values(applicant=ERASED),
            "predictions": update(predictions).where(own).values(_EMPTIED),
        }
        with self._database.writing(LONG_SECONDS) as connection:
            counts = {name: connection.execute(change).rowcount for name, change in changes.items()}
        self._database.overwrite_deleted()
        return counts

    def numbers_of(self, sk_id_curr: int) -> list[int]:
        """Return what an applicant is known by in data that models learn from."""
        own = stand_ins.c.applicant.in_(self._names(sk_id_curr))
        standing = self._rows(select(stand_ins.c.number).where(own))
        return [sk_id_curr, *(row.number for row in standing)]

    def pseudonymise(self) -> int:
        """Put decisions and applicants of before under pseudonyms; how many there were.

        Raises
        ------
        StoreError
            If there is no key.
        """
        pseudonyms = self._database.pseudonyms
        if not pseudonyms.hide:
            raise StoreError("pseudonyms are made with a key: set PSEUDONYM_KEY as the API has it")
        total = 0
        while some := self._pseudonymise_some(pseudonyms):
            total += some
            time.sleep(PAUSE_SECONDS)
        self._database.overwrite_deleted()
        return total

    def _pseudonymise_some(self, pseudonyms: Pseudonyms) -> int:
        with self._database.writing(LONG_SECONDS) as connection:
            return (
                _convert_decisions(connection, pseudonyms)
                + _convert_applicants(connection, pseudonyms)
                + _convert_reads(connection, pseudonyms)
            )

    def _names(self, sk_id_curr: int) -> tuple[str, ...]:
        """What an applicant is known by, now and from before there was a key."""
        pseudonyms = self._database.pseudonyms
        if not pseudonyms.hide:
            with self._database.reading() as connection:
                missing_key = notice(connection, pseudonyms)
            if missing_key:
                raise StoreError(f"{self._database.url}: {missing_key}")
        return pseudonyms.applicant(sk_id_curr), str(sk_id_curr)


def _convert_decisions(connection: Connection, pseudonyms: Pseudonyms) -> int:
    decisions = select(predictions).where(is_plain(predictions)).limit(_PIECE).with_for_update()
    old = connection.execute(decisions).mappings().all()
    for row in old:
        values = _converted(dict(row), pseudonyms)
        # Whoever has sent the key again since has been answered under its pseudonym.
        again = (predictions.c.caller == row["caller"]) & (
            predictions.c.idempotency_key == values["idempotency_key"]
        )
        if connection.execute(select(predictions.c.id).where(again)).first() is not None:
            values["idempotency_key"] = None
        own, outcome = predictions.c.id == row["id"], outcomes.c.prediction_id == row["id"]
        connection.execute(update(predictions).where(own).values(values))
        connection.execute(update(outcomes).where(outcome).values(applicant=values["applicant"]))
    return len(old)


def _convert_applicants(connection: Connection, pseudonyms: Pseudonyms) -> int:
    plain = select(applicants.c.applicant, applicants.c.rows).where(is_plain(applicants))
    known = connection.execute(plain.limit(_PIECE).with_for_update()).all()
    for name, rows in known:
        new, own = pseudonyms.applicant(int(name)), applicants.c.applicant == name
        newer = select(applicants.c.applicant).where(applicants.c.applicant == new)
        if connection.execute(newer).first() is not None:
            connection.execute(delete(applicants).where(own))
        else:
            changed = {"applicant": new, "rows": pseudonyms.body(rows, int(name))}
            connection.execute(update(applicants).where(own).values(changed))
    return len(known)


def _convert_reads(connection: Connection, pseudonyms: Pseudonyms) -> int:
    plain = select(reads.c.applicant).where(is_plain(reads)).distinct().limit(_PIECE)
    names = connection.execute(plain).scalars().all()
    for name in names:
        hidden = update(reads).where(reads.c.applicant == name)
        connection.execute(hidden.values(applicant=pseudonyms.applicant(int(name))))
    return len(names)


def _converted(row: Row, pseudonyms: Pseudonyms) -> Row:
    number = int(row["applicant"])
    # A pseudonym is drawn otherwise than the number was.
    values: Row = {"applicant": pseudonyms.applicant(number), "policy": None}
    for name in ("request_id", "idempotency_key", "request_sha256"):
        values[name] = row[name] and pseudonyms.concealed(row[name])
    if row["rows"] is not None:
        values["rows"] = pseudonyms.body(row["rows"], number)
        values["rows_sha256"] = hashlib.sha256(zlib.decompress(values["rows"])).hexdigest()
    return values
