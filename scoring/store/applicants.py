"""Applicants whom the service can decide on by number, with their features."""

import hashlib
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import bindparam, insert, select

from scoring.store.database import Repository
from scoring.store.deadlines import LONG_SECONDS
from scoring.store.engine import chunks, one_writer, replacing
from scoring.store.records import OnlineApplicant
from scoring.store.schema import applicants, stand_ins

_COLUMNS = tuple(column.name for column in applicants.columns if not column.primary_key)
_ASKED = applicants.c.applicant.in_(bindparam("names", expanding=True))
_WITH_ROWS = select(applicants).where(_ASKED)
_WITHOUT_ROWS = select(*(c for c in applicants.columns if c.name != "rows")).where(_ASKED)
_REPLACING = replacing(applicants)
# Numbers that stand for pseudonyms are beyond Kaggle's, within 31 bits.
_FIRST, _NUMBERS = 1_000_000_000, 1_000_000_000


class Applicants(Repository):
    """Applicants by number, and the numbers that stand for pseudonyms where models learn."""

    def put(self, new: Sequence[OnlineApplicant]) -> None:
        """Keep applicants to be decided on by number, in the place of those of before."""
        pseudonyms = self._database.pseudonyms
        kept = {
            (name := pseudonyms.applicant(known.applicant)): {
                **{column: getattr(known, column) for column in _COLUMNS},
                "applicant": name,
                "rows": pseudonyms.body(known.rows, known.applicant),
            }
            for known in new
        }
        # Two who replaced the same ones in different orders would wait for each other for ever.
        rows = [kept[name] for name in sorted(kept)]
        if rows:
            self._insert(_REPLACING, rows, LONG_SECONDS)

    def find(self, sk_id_curr: int) -> OnlineApplicant | None:
        """Return an applicant by number, None where it is not known."""
        return self.of([sk_id_curr]).get(sk_id_curr)

    def of(self, numbers: Sequence[int], *, rows: bool = True) -> dict[int, OnlineApplicant]:
        """Return those applicants of some numbers that are known, with their rows or without.

        Rows are by far the most to read.
        """
        applicant = self._database.pseudonyms.applicant
        return self.known_as({applicant(number): number for number in numbers}, rows=rows)

    def known_as(
        self, names: Mapping[str, int], *, rows: bool = True
    ) -> dict[int, OnlineApplicant]:
        """Return the same by what they are known by, as `Pseudonyms.applicant` gives it."""
        query = _WITH_ROWS if rows else _WITHOUT_ROWS
        known: dict[int, OnlineApplicant] = {}
        with self._database.reading() as connection:
            for some in chunks(list(names)):
                for row in connection.execute(query, {"names": some}).mappings():
                    number = names[row["applicant"]]
                    known[number] = OnlineApplicant(**{"rows": b"", **row, "applicant": number})
        return known

    def stand_ins(self) -> dict[str, int]:
        """Return the numbers that stand for pseudonyms in data that models learn from."""
        return {row.applicant: row.number for row in self._rows(select(stand_ins))}

    def assign_stand_ins(self, names: Collection[str], taken: Collection[int]) -> dict[str, int]:
        """Return those of some pseudonyms; new ones get a number, and keep it.

        It is a hash, or the next number that is neither taken nor another's.
        """
        if not names:
            return {}
        with self._database.writing() as connection:
            one_writer(connection, stand_ins)
            known = {row.applicant: row.number for row in connection.execute(select(stand_ins))}
            used, new = {*known.values(), *taken}, dict[str, int]()
            for name in sorted(set(names) - known.keys()):
                new[name] = _free_number(name, used)
                used.add(new[name])
            if new:
                rows = [{"applicant": name, "number": number} for name, number in new.items()]
                connection.execute(insert(stand_ins), rows)
        return {name: (known | new)[name] for name in names}


def _free_number(name: str, used: Collection[int]) -> int:
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    while (number := _FIRST + place % _NUMBERS) in used:
        place += 1
    return number
