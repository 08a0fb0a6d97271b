"""The database: what was asked, what was decided, and what happened later."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, text

from scoring.store import (
    alerts,
    applicants,
    archives,
    keys,
    labelled,
    layouts,
    migrate,
    model_usage,
    outcomes,
    person,
    policies,
    predictions,
    reports,
    retention,
    stand_ins,
    windows,
)
from scoring.store.alerts import Patience
from scoring.store.deadlines import LONG_SECONDS, USUAL_SECONDS, Breaker, within
from scoring.store.engine import connect, emptied_journal, make_folder, normalised, understood
from scoring.store.errors import StoreChangedError, StoreError, StoreUnavailableError
from scoring.store.labelled import Labelled
from scoring.store.model_usage import Life
from scoring.store.pseudonyms import ERASED, Pseudonyms, check_key, convert, notice
from scoring.store.records import (
    SCOPES,
    Alert,
    AlertRecord,
    ApiKey,
    CostSummary,
    Decided,
    ModelEvent,
    OnlineApplicant,
    Outcome,
    Override,
    Policy,
    Prediction,
    RefusalSummary,
    Scope,
    Severity,
    ShadowScore,
    Strategy,
    new_id,
)
from scoring.store.reports import Report
from scoring.store.schema import Row
from scoring.store.windows import Detail, Headlines, Settled

__all__ = [
    "ERASED",
    "SCOPES",
    "Alert",
    "AlertRecord",
    "ApiKey",
    "CostSummary",
    "Decided",
    "Detail",
    "Headlines",
    "Labelled",
    "Life",
    "ModelEvent",
    "OnlineApplicant",
    "Outcome",
    "Override",
    "Patience",
    "Policy",
    "Prediction",
    "Pseudonyms",
    "RefusalSummary",
    "Report",
    "Scope",
    "Settled",
    "Severity",
    "ShadowScore",
    "Store",
    "StoreChangedError",
    "StoreError",
    "StoreUnavailableError",
    "Strategy",
    "new_id",
]

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# What commands ask for: they read many rows, or delete them.
_LONG: dict[Callable[..., Any], float] = dict.fromkeys(
    (convert, labelled.labelled, model_usage.life_of, applicants.put, person.erase,
     person.on_record, retention.old_applicants, retention.purge_applicants,
     retention.purge_archives, retention.purge_predictions, retention.purge_rest, windows.decided,
     windows.headlines, windows.kept_rows, windows.settled), LONG_SECONDS,
)  # fmt: skip


class Store:
    """The database of a service.

    Every method that reaches the database raises `StoreUnavailableError` where it cannot be used
    at the moment, and `StoreError` where its tables are not those of this code.

    Parameters
    ----------
    url : str
        `sqlite:///FILE` or PostgreSQL's. Nothing is opened before it is needed.
    pseudonym_key : str, optional
        With it applicants' numbers, and what they could be found out from, are kept as keyed
        hashes only.

    Attributes
    ----------
    pseudonyms : Pseudonyms
        How they are kept.

    Raises
    ------
    StoreError
        If it is no address of a database, or the key can be guessed.
    """

    def __init__(self, url: str, pseudonym_key: str | None = None) -> None:
        self._url = normalised(url)
        self._engine = connect(self._url)
        self._writer = self._engine.execution_options(write=True)
        self._breaker = Breaker()
        self.pseudonyms = Pseudonyms(pseudonym_key)
        self._recognised = not self.pseudonyms.hide

    @property
    def url(self) -> str:
        """The address, its password hidden."""
        return self._url.render_as_string(hide_password=True)

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of our own, with no server behind it."""
        return self._engine.dialect.name == "sqlite"

    @property
    def is_made(self) -> bool:
        """Whether there is a database to ask: a file of our own may not have been made yet."""
        return not self.embedded or Path(self._url.database or "").is_file()

    @property
    def pseudonymous(self) -> bool:
        """Whether applicants' numbers are kept as hashes only."""
        return self.pseudonyms.hide

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @contextmanager
    def _reading(self, seconds: float = USUAL_SECONDS) -> Iterator[Connection]:
        # Readers of SQLite wait for nobody.
        guard = nullcontext() if self.embedded else self._breaker.guard()
        with guard, within(seconds), understood(self._url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self, seconds: float = USUAL_SECONDS) -> Iterator[Connection]:
        """A transaction that is committed at the end."""
        guard = self._breaker.guard()
        with guard, within(seconds), understood(self._url), self._writer.begin() as connection:
            yield connection

    def _read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if function is not migrate.revision:
            self._recognise()
        with self._reading(_LONG.get(function, USUAL_SECONDS)) as connection:
            return function(connection, *args, **kwargs)

    def _write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        self._recognise()
        with self._writing(_LONG.get(function, USUAL_SECONDS)) as connection:
            return function(connection, *args, **kwargs)

    def _recognise(self) -> None:
        """See once that the key of pseudonyms is the one that the store knows."""
        if not self._recognised:
            with self._writing() as connection:
                check_key(connection, self.pseudonyms)
            self._recognised = True

    def migrate(self) -> None:
        """Bring the tables up to this code's; several processes may do so at once."""
        make_folder(self._url)
        if self._read(migrate.revision) != migrate.HEAD:
            with self._writing(math.inf) as connection:
                migrate.upgrade(connection)
        if told := self._read(notice, self.pseudonyms):
            logger.warning("%s", told)

    def check(self) -> None:
        """See that decisions can be recorded.

        Raises
        ------
        StoreUnavailableError
            If the database is away or takes nothing.
        StoreError
            If it is not migrated.
        """
        with self._writing() as connection:
            found = migrate.revision(connection)
            if self.embedded:
                # It asks for the room of a page, which a full disk does not have.
                connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            elif connection.execute(text("SHOW transaction_read_only")).scalar() == "on":
                raise StoreUnavailableError(f"the store {self.url} is read-only")
        if found != migrate.HEAD:
            raise StoreError(
                f"the store {self.url} is at revision {found} and this code at {migrate.HEAD}: "
                "run `python -m scoring migrate`"
            )
        self._recognise()

    def applicant_key(self, sk_id_curr: int) -> str:
        """What an applicant is known by in the store: the number, or a keyed hash of it."""
        return self.pseudonyms.applicant(sk_id_curr)

    def pseudonymise(self) -> int:
        """Put decisions and applicants of before under pseudonyms; how many there were.

        Raises
        ------
        StoreError
            If there is no key.
        """
        if not self.pseudonymous:
            raise StoreError("pseudonyms are made with a key: set PSEUDONYM_KEY as the API has it")
        total = 0
        while some := self._write(convert, self.pseudonyms):
            total += some
            time.sleep(retention.PAUSE_SECONDS)
        self._forget()
        return total

    def _forget(self) -> None:
        """Overwrite what was deleted, as far as it is in files of our own.

        Raises
        ------
        StoreUnavailableError
            If somebody reads for so long that the journal cannot be cut off.
        """
        with understood(self._url):
            if self.embedded and not emptied_journal(self._engine):
                raise StoreUnavailableError(
                    f"the journal of {self.url} is being read and still holds what was deleted: "
                    "run it again"
                )

    def record(self, new: Sequence[Prediction]) -> list[Prediction]:
        """Record decisions, all or none.

        Returns
        -------
        list of Prediction
            Those given; where a caller used an idempotency key before, the first one of it,
            and the new one is not recorded.
        """
        return self._write(predictions.record, new) if new else []

    def answered(self, caller: str, *keys: str) -> Prediction | None:
        """A decision that one of a caller's idempotency keys stands for."""
        kept = tuple(map(self.pseudonyms.concealed, keys))
        return self._read(predictions.answered, caller, kept)

    def prediction(self, number: str) -> Prediction | None:
        """The decision of an id."""
        return self._read(predictions.find, number)

    def decided_on(self, numbers: Sequence[str]) -> dict[str, Decided]:
        """On whom, when and for whom it was decided, by those ids that are decisions."""
        return self._read(predictions.decided_on, numbers)

    def note_read(self, caller: str, what: str, applicant: str, number: str | None = None) -> None:
        """Record that a caller looked at an applicant, or at somebody else's decision."""
        self._write(predictions.note_read, caller, what, applicant, number)

    def predictions(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        applicant: str | None = None,
        caller: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> Iterator[Prediction]:
        """Decisions in the order of time, read in pieces.

        Parameters
        ----------
        since, until : datetime, optional
            From a time on, and before one.
        applicant : str, optional
            As `applicant_key` gives it.
        caller : str, optional
            Who asked for them.
        limit : int, optional
            The most that are read.
        newest_first : bool
            Whether the order is turned round.
        """
        left, last = limit, None
        while left is None or left > 0:
            some = self._read(
                predictions.chunk, since, until, applicant, caller, last,
                newest_first=newest_first, **({} if left is None else {"limit": left}),
            )  # fmt: skip
            if not some:
                return
            yield from some
            last = some[-1]
            left = None if left is None else left - len(some)

    def record_outcomes(self, new: Sequence[Outcome]) -> int:
        """Record what happened later; how many were new, or other than what was known."""
        return self._write(outcomes.record_outcomes, new)

    def outcome(self, prediction_id: str) -> Outcome | None:
        """What happened after a decision, once it is known."""
        return self.outcomes([prediction_id]).get(prediction_id)

    def outcomes(self, numbers: Sequence[str]) -> dict[str, Outcome]:
        """What happened after some decisions, by their ids; those not known are left out."""
        return self._read(outcomes.outcomes_of, numbers)

    def record_override(self, override: Override, seen: int | None = None) -> bool:
        """Record an officer's own decision; False, and nothing, if `seen` is not their number.

        The applicant's number is not kept in its words.
        """
        if self.pseudonymous:
            applicant = self.decided_on([override.prediction_id])[override.prediction_id].applicant
            override = replace(
                override,
                actor=self.pseudonyms.text(override.actor, applicant),
                motive=self.pseudonyms.text(override.motive, applicant),
            )
        return self._write(outcomes.record_override, override, seen)

    def overrides(self, prediction_id: str) -> list[Override]:
        """The overrides of a decision, the oldest first; the last one stands."""
        return self._read(outcomes.overrides_of, prediction_id)

    def realised(
        self, since: datetime, false_negative: float
    ) -> dict[str, tuple[CostSummary, RefusalSummary]]:
        """What each model's loans since a time cost, and whom it refused, by its digest."""
        return self._read(outcomes.realised, since, false_negative)

    def archive(self, digest: str, name: str, version: str, folder: Path) -> None:
        """Keep a model's directory, once, by the SHA-256 of its manifest.

        Raises
        ------
        StoreError
            If the folder does not hold that very model.
        """
        if not self._write(archives.seen, digest):
            content = archives.pack(folder, digest)
            self._write(archives.keep, digest, name, version, content)

    def archived(self, digest: str, into: Path) -> Path | None:
        """Write a kept model's directory out; None if it is not kept.

        Raises
        ------
        StoreError
            If what is kept is damaged, or cannot be written.
        """
        content = self._read(archives.content_of, digest)
        if content is None:
            return None
        archives.unpack(content, digest, into)
        return into

    def keep_layout(self, digest: str, content: str) -> None:
        """Keep what stands where in stored features, once, by its digest."""
        self._write(layouts.keep, digest, content)

    def layout(self, digest: str) -> str | None:
        """What `keep_layout` was given; None if it is not kept."""
        return self._read(layouts.content_of, digest)

    def add_event(self, event: ModelEvent) -> None:
        """Record what happened to a model or to the policy."""
        self._write(policies.add_event, event)

    def events(self, limit: int = 100) -> list[ModelEvent]:
        """The last events, the newest first."""
        return self._read(policies.latest_events, limit)

    def settle_alerts(
        self,
        found: Sequence[Alert],
        judged: Mapping[str, Collection[str]],
        at: datetime,
        patience: Patience | None = None,
    ) -> list[AlertRecord]:
        """Keep what one look at all models has found, and close what it has not.

        Parameters
        ----------
        found : sequence of Alert
            At most one of a rule and a model.
        judged : mapping of str to collection of str
            Of every model looked at, by digest, the rules that had enough to judge.
        at : datetime
            When the look was.
        patience : Patience, optional
            How often the same thing is told.

        Returns
        -------
        list of AlertRecord
            Those to be told; `alerts_told` says that they were.
        """
        return self._write(alerts.settle, found, judged, at, patience or Patience())

    def alerts_told(self, numbers: Collection[int], at: datetime) -> None:
        """Note that alerts were sent, so that they are not sent again."""
        self._write(alerts.told, numbers, at)

    def alerts(self, limit: int = 100, *, open_only: bool = False) -> list[AlertRecord]:
        """The alerts on record, the latest found first."""
        return self._read(alerts.find, limit, open_only=open_only)

    def keep_report(self, report: Report) -> None:
        """Keep a report in the place of the last one of its kind."""
        self._write(reports.keep, report)

    def report(self, kind: str) -> Report | None:
        """The newest report of a kind, None if there never was one."""
        return self._read(reports.find, kind)

    def headlines(self, since: datetime, until: datetime) -> Headlines:
        """The decisions from `since` on and before `until`, as columns."""
        return self._read(windows.headlines, since, until)

    def details(self, numbers: Sequence[str]) -> Iterator[list[Detail]]:
        """What some decisions were taken on, some at a time, in no order."""
        with self._reading(LONG_SECONDS) as connection:
            yield from windows.details(connection, numbers)

    def kept_rows(self, numbers: Sequence[str]) -> dict[str, bytes]:
        """The rows kept with some decisions, by id; those without are left out."""
        return self._read(windows.kept_rows, numbers)

    def labelled(self, until: datetime) -> list[Labelled]:
        """The last loan of each applicant whose outcome was observed before a time."""
        return self._read(labelled.labelled, until)

    def labelled_refusals(self, until: datetime) -> int:
        """How many outcomes are of applicants who got no loan, so that nobody learns from them."""
        return self._read(labelled.refusals, until)

    def settled(self, digest: str, since: datetime | None, until: datetime) -> Settled:
        """A model's decisions whose outcome was observed from `since` on and before `until`."""
        return self._read(windows.settled, digest, since, until)

    def decided(self, digest: str, until: datetime) -> dict[date, int]:
        """How often a model has decided before `until`, by the first day of the month in UTC."""
        return self._read(windows.decided, digest, until)

    def life_of(self, digest: str) -> Life:
        """What the model of a digest has decided."""
        return self._read(model_usage.life_of, digest)

    def events_between(self, since: datetime, until: datetime) -> dict[str, int]:
        """How often each kind of event was noted."""
        return self._read(windows.events_between, since, until)

    def policy(self) -> Policy:
        """How models are used."""
        return self._read(policies.current)

    def set_policy(self, policy: Policy, by: str, why: str) -> None:
        """Set all of how models are used; who and why stays on record."""
        self.change_policy(asdict(policy), by, why)

    def change_policy(
        self,
        changes: Mapping[str, Any],
        by: str,
        why: str,
        expected: Collection[int] | None = None,
    ) -> Policy:
        """Change fields of the policy, and no others; who and why stays on record.

        Returns
        -------
        Policy
            As it is from then on.

        Raises
        ------
        StoreChangedError
            If the policy has none of the numbers that are expected.
        """
        return self._write(policies.change, changes, by, why, expected)

    def put_applicants(self, new: Sequence[OnlineApplicant]) -> None:
        """Keep applicants to be decided on by number, in the place of those of before."""
        kept = {
            self.applicant_key(one.applicant): replace(
                one, rows=self.pseudonyms.body(one.rows, one.applicant)
            )
            for one in new
        }
        self._write(applicants.put, kept)

    def applicant(self, sk_id_curr: int) -> OnlineApplicant | None:
        """An applicant by number."""
        return self.applicants([sk_id_curr]).get(sk_id_curr)

    def applicants(
        self, numbers: Sequence[int], *, rows: bool = True
    ) -> dict[int, OnlineApplicant]:
        """Those applicants of some numbers that are known, with their rows or without."""
        return self.known_as({self.applicant_key(number): number for number in numbers}, rows=rows)

    def known_as(
        self, names: Mapping[str, int], *, rows: bool = True
    ) -> dict[int, OnlineApplicant]:
        """The same by what they are known by, as `applicant_key` gives it."""
        return self._read(applicants.find, names, rows)

    def stand_ins(self) -> dict[str, int]:
        """The numbers that stand for pseudonyms in data that models learn from."""
        return self._read(stand_ins.assigned)

    def stand_ins_for(self, names: Collection[str], taken: Collection[int]) -> dict[str, int]:
        """Those of some pseudonyms; new ones get a number that is neither taken nor another's."""
        return self._write(stand_ins.assign, names, taken) if names else {}

    def add_key(self, name: str, scopes: Iterable[str]) -> tuple[ApiKey, str]:
        """Make an API key; its text is told this once."""
        return self._write(keys.add, name, scopes)

    def verify_key(self, key: str) -> ApiKey | None:
        """The API key that a text is; None if it is none, or revoked."""
        return self._read(keys.verify, key)

    def revoke_key(self, number: str) -> ApiKey:
        """Take an API key out of use."""
        return self._write(keys.revoke, number)

    def keys(self) -> list[ApiKey]:
        """All API keys."""
        return self._read(keys.everyone)

    def purge(self, older_than: timedelta, now: datetime | None = None) -> dict[str, int]:
        """Delete what is of before a time: decisions and what hangs on them, applicants, models
        that no decision names, events, alerts, reports, and who set policies that are over.

        It is done in pieces, between which decisions are recorded; interrupted, it can be
        started again.

        Parameters
        ----------
        older_than : timedelta
            How long everything is kept.
        now : datetime, optional
            What time it is; by default what the clock says, if records bear it out.

        Returns
        -------
        dict of str to int
            How many rows were deleted, by table.

        Raises
        ------
        StoreError
            If the law has them kept for longer, or the clock may be wrong.
        """
        before = retention.limit(older_than, now or datetime.now(UTC))
        if now is None:
            self._read(retention.check_clock, before + older_than, before)
        counts = Counter(self._write(retention.purge_rest, before))
        while True:
            some = self._write(retention.purge_predictions, before)
            counts.update(some)
            if not some["predictions"]:
                break
            time.sleep(retention.PAUSE_SECONDS)
        old, size = self._read(retention.old_applicants, before), retention.PIECE
        for some_old in (old[start : start + size] for start in range(0, len(old) or 1, size)):
            counts.update(self._write(retention.purge_applicants, some_old, before))
            time.sleep(retention.PAUSE_SECONDS)
        counts.update(self._write(retention.purge_archives, before))
        self._forget()
        return dict(counts)

    def on_record(self, sk_id_curr: int) -> dict[str, list[Row]]:
        """All rows about one applicant, by table, as they are kept."""
        return self._read(person.on_record, self._names(sk_id_curr))

    def erase(self, sk_id_curr: int) -> dict[str, int]:
        """Erase one applicant: what they are known by, and all that is known of them.

        Of each decision remains that it was taken: when, by which model, the PD, what it was held
        against, what was decided and what came of it.

        Returns
        -------
        dict of str to int
            How many rows were emptied or deleted, by table.
        """
        counts = self._write(person.erase, self._names(sk_id_curr))
        self._forget()
        return counts

    def numbers_of(self, sk_id_curr: int) -> list[int]:
        """What an applicant is known by in data that models learn from."""
        names, standing = self._names(sk_id_curr), self.stand_ins()
        return [sk_id_curr, *(standing[name] for name in names if name in standing)]

    def _names(self, sk_id_curr: int) -> tuple[str, ...]:
        """What an applicant is known by, now and from before there was a key."""
        if not self.pseudonymous and (told := self._read(notice, self.pseudonyms)):
            raise StoreError(f"{self.url}: {told}")
        return self.applicant_key(sk_id_curr), str(sk_id_curr)
