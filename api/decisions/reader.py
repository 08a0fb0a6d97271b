"""The body of a request, read and checked: one applicant's rows, or number."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, cast

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from api.decisions.column_checks import Unknown, checker, expectation, reader
from api.decisions.counter_offers import take_origin
from api.decisions.requests import Applicant, CounterOffer, has_history
from api.http.bodies import parse, wrong_fields
from api.http.near_misses import near_miss
from api.http.problems import FieldError, pointer_part
from scoring.data.requests import Row, Rows
from scoring.data.tables import APPLICATION, HISTORY, TABLES, Column, Table
from scoring.data.values import Misunderstood, misunderstood, misunderstood_json, nearest_name
from scoring.store import Prediction, Store

_APPLICANT = "SK_ID_CURR"
_NUMBER = SchemaValidator(checker(APPLICATION[_APPLICANT]))
# Enough to mend a request by; more would only cost time and room.
_MOST_ERRORS = 50
_MOST_HINTS = 5
_LONGEST_NAME = 80
_FIRST_INVENTED = 1_000_000_000


def accepted_columns(table: Table) -> tuple[Column, ...]:
    """List the columns that a request's rows may have: all but TARGET, which is what is asked."""
    return tuple(column for column in table.columns if column.name != "TARGET")


def must_be_given(column: Column) -> bool:
    """Tell whether a row of a request needs a value in the column.

    History rows need not repeat the applicant they came with, and an application without a number
    gets one.
    """
    return column.required and column.name != _APPLICANT


@cache
def _names(table_name: str) -> tuple[str, ...]:
    return tuple(column.name for column in accepted_columns(TABLES[table_name]))


def random_number() -> int:
    """Draw a number for an applicant who has none, above all that Kaggle's tables have."""
    return _FIRST_INVENTED + secrets.randbelow(2**31 - _FIRST_INVENTED)


def unused_number(store: Store) -> int:
    """Draw a number that a store knows nothing of: nobody gets another's history.

    Raises
    ------
    StoreError
        If the store cannot be asked.
    """
    while True:
        number = random_number()
        own = store.decisions.search(applicant=store.pseudonyms.applicant(number), limit=1)
        if store.applicants.find(number) is None and not any(own):
            return number


class ApplicantReader:
    """Reads applicants from request bodies, with so many rows a history table at most.

    `new_number` gives a number to an applicant who has none.
    """

    def __init__(self, row_limit: int, new_number: Callable[[], int] = random_number) -> None:
        self.row_limit = row_limit
        self._new_number = new_number
        columns = sum(len(_names(table.name)) + 1 for table in TABLES.values())
        # Some categories have commas too.
        self._most_items = 1_000 + 2 * row_limit * columns
        self._body = SchemaValidator(_body_schema())
        self._row = {name: SchemaValidator(_row_schema(table)) for name, table in TABLES.items()}

    def parse(self, body: bytes) -> object:
        """Parse the JSON of a body, which has no more in it than an applicant may have.

        Raises ProblemError 400 if it is not JSON in UTF-8, 422 if it has.
        """
        return parse(body, self._most_items)

    def read_any(self, body: bytes) -> Applicant:
        """Read a body that has an applicant's rows, or the number of a known applicant alone.

        Raises ProblemError as `parse` and `read` do.
        """
        return self._read_any(self.parse(body))

    def read_decided(
        self, body: bytes, find: Callable[[str], Prediction]
    ) -> tuple[Applicant, CounterOffer | None]:
        """Read the same with what it is a counter-offer to, if anything.

        `find` looks up a decision, whose record says the number where the application does not.
        """
        document = self.parse(body)
        named = take_origin(document)
        if named is None:
            return self._read_any(document), None
        number, actor = named
        origin = find(number)
        application = cast("dict[str, Any]", document).get("application")
        # A pseudonym does not tell it.
        if isinstance(application, dict) and origin.applicant.isdigit():
            given = application.get(_APPLICANT)
            application[_APPLICANT] = int(origin.applicant) if given is None else given
        return self._read_any(document), CounterOffer(origin, actor)

    def _read_any(self, document: object) -> Applicant:
        number = known_number(document)
        return self.read(document) if number is None else Applicant(number, {}, history="stored")

    def read(self, document: object) -> Applicant:
        """Check the JSON of a body that has an applicant's rows.

        Raises ProblemError 422 if its fields are not an applicant's.
        """
        unknown: list[str] = []
        rows = self._check(document, unknown)
        misread = tuple(_take_out(rows)) if unknown else ()
        application = rows.pop("application")
        if application.get(_APPLICANT) is None:
            _refuse(_numbered_rows(rows))
            application[_APPLICANT] = self._new_number()
        rows = {"application": [application], **rows}
        _refuse(_relation_errors(rows, application[_APPLICANT]))
        history = None
        if any(table.name in cast("dict[str, Any]", document) for table in HISTORY):
            history = "sent" if has_history(rows) else "none"
        return Applicant(application[_APPLICANT], rows, misunderstood_json(misread), history)

    def _check(self, document: object, unknown: list[str]) -> dict[str, Any]:
        """Check all values in one call; on failure look at them one by one."""
        if self._is_of_sensible_size(document):
            try:
                return cast("dict[str, Any]", self._body.validate_python(document, context=unknown))
            except ValidationError:
                pass
        _refuse(self._errors(document), document)
        raise AssertionError("a refused body has an error")

    def _is_of_sensible_size(self, document: object) -> bool:
        """Tell whether checking it at once can only report a bounded number of errors."""
        if not isinstance(document, dict) or len(document) > len(TABLES):
            return False
        for name, rows in document.items():
            width = len(_names(name)) if name in TABLES else 0
            rows_ = rows if isinstance(rows, list) else [rows]
            if len(rows_) > self.row_limit:
                return False
            if any(isinstance(row, dict) and len(row) > width for row in rows_):
                return False
        return True

    def _errors(self, document: object) -> Iterator[FieldError]:
        if not isinstance(document, dict):
            yield FieldError("", 'the body must be an object with an "application"')
            return
        yield from _unknown_names(document, tuple(TABLES), "")
        if "application" not in document:
            yield FieldError("/application", "application is required")
        for name in (known for known in TABLES if known in document):
            yield from self._table_errors(name, document[name])

    def _table_errors(self, name: str, rows: object) -> Iterator[FieldError]:
        if name == "application":
            yield from self._row_errors(name, rows, "/application")
        elif not isinstance(rows, list):
            detail = f"{name} must be a list of rows; leave it out where there are none"
            yield FieldError(f"/{name}", detail)
        elif len(rows) > self.row_limit:
            detail = f"{name} has {len(rows):,} rows; at most {self.row_limit:,} are taken"
            yield FieldError(f"/{name}", detail)
        else:
            for index, row in enumerate(rows):
                yield from self._row_errors(name, row, f"/{name}/{index}")

    def _row_errors(self, name: str, row: object, place: str) -> Iterator[FieldError]:
        if not isinstance(row, dict):
            yield FieldError(place, "must be an object of column names and values")
            return
        yield from _unknown_names(row, _names(name), place)
        try:
            known = {key: row[key] for key in _names(name) if key in row}
            self._row[name].validate_python(known, context=[])
        except ValidationError as failure:
            for error in failure.errors(include_url=False, include_context=False):
                column = str(error["loc"][0])
                given = row.get(column)
                detail = f"{column} is required"
                if given is not None:
                    detail = expectation(TABLES[name][column], given)
                yield FieldError(f"{place}/{column}", detail)


def known_number(document: object) -> int | None:
    """Read the number of a body that names an applicant by SK_ID_CURR alone, None if it does not.

    Raises ProblemError 422 if what it names cannot be an applicant's number, or more is said.
    """
    if not isinstance(document, dict) or _APPLICANT not in document or "application" in document:
        return None
    _refuse(_unknown_names(document, (_APPLICANT,), ""), document)
    column = APPLICATION[_APPLICANT]
    try:
        return int(_NUMBER.validate_python(document[_APPLICANT]))
    except ValidationError:
        detail = expectation(column, document[_APPLICANT])
        raise wrong_fields([near_miss(document) or FieldError(f"/{_APPLICANT}", detail)]) from None


def _body_schema() -> CoreSchema:
    fields = {"application": core_schema.typed_dict_field(_row_schema(APPLICATION))}
    for table in HISTORY:
        # One wrong row is enough to refuse the body; which ones are wrong is looked for then.
        rows = core_schema.list_schema(_row_schema(table), strict=True, fail_fast=True)
        with_default = core_schema.with_default_schema(rows, default_factory=list)
        fields[table.name] = core_schema.typed_dict_field(with_default, required=False)
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid", strict=True)


def _row_schema(table: Table) -> CoreSchema:
    fields = {}
    for column in accepted_columns(table):
        required = must_be_given(column)
        check = reader(column, required=required)
        fields[column.name] = core_schema.typed_dict_field(check, required=required)
    return core_schema.typed_dict_schema(fields, extra_behavior="forbid", strict=True)


def _take_out(rows: Mapping[str, Any]) -> Iterator[Misunderstood]:
    """Replace values that were not understood by null, and list the first of them."""
    left = _MOST_ERRORS
    for name, own in rows.items():
        alone = name == APPLICATION.name
        for index, row in enumerate([own] if alone else own):
            for column, value in row.items():
                if isinstance(value, Unknown):
                    row[column] = None
                    left -= 1
                    if left >= 0:
                        place = f"/{name}" if alone else f"/{name}/{index}"
                        yield misunderstood(f"{place}/{column}", TABLES[name][column], value.value)


def _refuse(errors: Iterator[FieldError], document: object = None) -> None:
    """Raise a ProblemError if there are errors: for the first ones, or for what mends them all."""
    shown = list(islice(errors, _MOST_ERRORS))
    if shown and (mend := near_miss(document)):
        shown = [mend]
    if shown:
        raise wrong_fields(shown, " (there may be more)" if len(shown) == _MOST_ERRORS else "")


def _unknown_names(
    given: Mapping[str, object], known: tuple[str, ...], at: str
) -> Iterator[FieldError]:
    for place, name in enumerate(name for name in given if name not in known):
        yield _unknown_name(name, known if place < _MOST_HINTS else (), at)


def _unknown_name(name: str, known: tuple[str, ...], place: str) -> FieldError:
    if place == "/application" and name == "TARGET":
        detail = "TARGET is what is asked: leave it out"
        return FieldError("/application/TARGET", detail)
    if len(name) > _LONGEST_NAME:
        detail = f"unknown field of {len(name):,} characters: {name[:_LONGEST_NAME]}..."
        return FieldError(place, detail)
    nearest = nearest_name(name, known)
    hint = f"; did you mean {nearest}?" if nearest else ""
    return FieldError(f"{place}/{pointer_part(name)}", f"unknown field{hint}")


def _numbered_rows(rows: Rows) -> Iterator[FieldError]:
    """Check that no history says a number where the application says none."""
    for name, own in rows.items():
        for index, row in enumerate(own):
            if row.get(_APPLICANT) is not None:
                detail = (
                    f"the row belongs to applicant {row[_APPLICANT]}, the application to nobody"
                )
                yield FieldError(f"/{name}/{index}/{_APPLICANT}", detail)


def _relation_errors(rows: Rows, applicant: int) -> Iterator[FieldError]:
    """Check what rows say about each other; fill in the applicant where rows leave it out."""
    for table in HISTORY:
        if table.link == _APPLICANT:
            yield from _belonging_errors(table, rows[table.name], applicant)
        if table.key:
            yield from _duplicate_errors(table, rows[table.name])
    yield from _orphan_errors(rows["bureau"], rows["bureau_balance"])


def _belonging_errors(table: Table, rows: Sequence[Row], applicant: int) -> Iterator[FieldError]:
    for index, row in enumerate(rows):
        given = row.get(_APPLICANT)
        if given is None:
            row[_APPLICANT] = applicant
        elif given != applicant:
            yield FieldError(
                f"/{table.name}/{index}/{_APPLICANT}",
                f"the row belongs to applicant {given}, the application to {applicant}",
            )


def _duplicate_errors(table: Table, rows: Sequence[Row]) -> Iterator[FieldError]:
    first: dict[tuple[Any, ...], int] = {}
    for index, row in enumerate(rows):
        key = tuple(row[name] for name in table.key)
        earlier = first.setdefault(key, index)
        if earlier != index:
            named = ", ".join(f"{name} {value}" for name, value in zip(table.key, key, strict=True))
            yield FieldError(
                f"/{table.name}/{index}/{table.key[-1]}",
                f"row {earlier} has the same {named}: keep one of the two",
            )


def _orphan_errors(bureau: Sequence[Row], balances: Sequence[Row]) -> Iterator[FieldError]:
    credits_ = {row["SK_ID_BUREAU"] for row in bureau}
    for index, row in enumerate(balances):
        if row["SK_ID_BUREAU"] not in credits_:
            yield FieldError(
                f"/bureau_balance/{index}/SK_ID_BUREAU",
                f"no row of bureau has SK_ID_BUREAU {row['SK_ID_BUREAU']}",
            )
