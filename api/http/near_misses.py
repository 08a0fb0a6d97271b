"""Refused bodies that are nearly right: one sentence that says the mend, in place of many."""

from collections.abc import Iterator, Mapping
from itertools import islice

from api.http.problems import FieldError, pointer_part
from scoring.data.tables import TABLES

_NUMBER = "SK_ID_CURR"
_ROWS = '{"application": {"SK_ID_CURR": 100002, ...}}'
# Rows are alike, and a mapping of many more names than a table has is none of a table.
_MOST_ROWS, _MOST_NAMES, _LONGEST_NAME = 100, 250, 80

Mends = Iterator[tuple[str, str]]


def _folded(name: str) -> str:
    """Strip a name of its capitals, spaces and marks."""
    return "".join(filter(str.isalnum, name[:_LONGEST_NAME].casefold()))


_TABLES = {"applicationtrain": "application", "applicationtest": "application"}
_TABLES |= {_folded(name): name for name in TABLES}
_COLUMNS = {
    table: {_folded(name): name for name in TABLES[table].schema if name != "TARGET"}
    for table in TABLES
}


def near_miss(document: object, *, batch: bool = False) -> FieldError | None:
    """Find the one change that mends a refused body, of one applicant or a batch."""
    return next((FieldError(*mend) for mend in _mends(document, batch)), None)


def _mends(document: object, batch: bool) -> Mends:
    if isinstance(document, list):
        yield "", f"send one applicant, {_ROWS}; POST /predict/batch takes a list"
    elif isinstance(document, str) and document.lstrip().startswith(("{", "[")):
        yield "", "a text that holds JSON: encode it once, not twice"
    elif type(document) is int and document > 0:
        yield "", f'name an applicant by number as {{"{_NUMBER}": {document}}}'
    elif isinstance(document, dict) and batch:
        yield "", f"send a list of applicants alone: [{_ROWS}, ...]; POST /predict takes one"
    elif isinstance(document, dict) and len(document) <= _MOST_NAMES:
        yield from _renamed(document, _TABLES, "")
        yield from _misplaced(document)
        for name in TABLES:
            rows = document.get(name)
            places = enumerate(islice(rows, _MOST_ROWS)) if isinstance(rows, list) else [("", rows)]
            for index, row in places:
                yield from _renamed(row, _COLUMNS[name], f"/{name}/{index}".rstrip("/"))


def _misplaced(document: Mapping[str, object]) -> Mends:
    """Find an application, or an applicant's number, in another place than its own."""
    columns = [name for name in document if _folded(name) in _COLUMNS["application"]]
    if isinstance(rows := document.get("application"), list) and rows:
        yield "/application", f"send one object, no list: {_ROWS}"
    elif "application" in document and columns:
        yield f"/{pointer_part(columns[0])}", f'{columns[0]} belongs inside "application"'
    elif any(_folded(name) != _folded(_NUMBER) for name in columns):
        yield "", f"put the columns, with Kaggle's own names, into an object: {_ROWS}"
    elif not document.keys() & set(TABLES):
        yield from _by_other_names(document)


def _by_other_names(document: Mapping[str, object]) -> Mends:
    """Find rows wrapped in a name that is none of ours, or a number alone."""
    for name, value in document.items():
        place = f"/{pointer_part(name)}"
        if isinstance(value, dict) and [_folded(inner) for inner in value] == [_folded(_NUMBER)]:
            yield place, f'send what is in it alone: {{"{_NUMBER}": ...}}'
        if isinstance(value, dict | list) and name != _NUMBER:
            yield place, f"send what is in it as {_ROWS}; POST /predict/batch takes a list"
        elif len(document) == 1 and (text := str(value).strip()).isdecimal() and len(text) < 10:
            if name == _NUMBER and isinstance(value, int):
                yield "/application", f"send {_ROWS}: GET /applicants/{text} tells rows"
            yield place, f'name an applicant by number, unquoted: {{"{_NUMBER}": {int(text)}}}'


def _renamed(row: object, known: Mapping[str, str], place: str) -> Mends:
    """Find names that differ from the known ones in capitals, spaces and the like."""
    if isinstance(row, dict) and len(row) <= _MOST_NAMES:
        pairs = [(name, known.get(_folded(name))) for name in row]
        wrong = [(name, meant) for name, meant in pairs if meant and meant not in row]
        for name, meant in wrong[:1]:
            others = f"; {len(wrong) - 1} more names differ as little" if len(wrong) > 1 else ""
            yield f"{place}/{pointer_part(name)}", f'write {meant}, not "{name}"{others}'
