"""Rows of requests as frames, alone and together."""

from __future__ import annotations

import copy
import zlib

import numpy as np
import orjson
import polars as pl
from polars.testing import assert_frame_equal

from api.decisions import example
from api.decisions.reader import ApplicantReader
from scoring.data.dataset import Dataset
from scoring.data.requests import LOAN_KEYS, Rows, apart, body_of, frames_of, nameless, rows_of
from scoring.data.tables import TABLES
from scoring.features import build_features
from scoring.features.vectors import pack
from tests.helpers import serving

READER = ApplicantReader(row_limit=10_000)


def read(sample: Dataset, applicant: int) -> Rows:
    return READER.read(serving.request_of(sample, applicant)).rows


def test_frames_have_the_tables_types() -> None:
    frames = frames_of([READER.read(copy.deepcopy(example.REQUEST)).rows])
    assert {name: frame.schema for name, frame in frames.items()} == {
        name: TABLES[name].schema for name, rows in example.REQUEST.items() if rows
    }


def test_applicants_together_have_the_features_of_each_alone(sample: Dataset) -> None:
    applicants = [read(sample, number) for number in serving.applicants(sample, 24)]
    assert apart(applicants) == [list(range(24))]
    together = pack(build_features(frames_of(applicants)))
    alone = [pack(build_features(frames_of([rows])))[0] for rows in applicants]
    assert np.array_equal(together, np.stack(alone), equal_nan=True)


def test_who_shares_a_key_is_kept_apart(sample: Dataset) -> None:
    some = [read(sample, number) for number in serving.applicants(sample, 20)]
    # Those with loans elsewhere first.
    one, other, third, *_ = sorted(some, key=lambda rows: not rows["bureau"])
    same_credit = copy.deepcopy(dict(third))
    same_credit["bureau"] = [{**row, "SK_ID_CURR": 7} for row in one["bureau"]]
    same_credit["application"] = [{**third["application"][0], "SK_ID_CURR": 7}]
    assert one["bureau"]
    assert apart([one, other, one, third, same_credit]) == [[0, 1, 3], [2, 4]] or apart(
        [one, other, one, third, same_credit]
    ) == [[0, 1, 3], [2], [4]]


def test_a_body_gives_back_its_rows(sample: Dataset) -> None:
    rows = read(sample, serving.applicants(sample, 1)[0])
    assert rows_of(zlib.compress(body_of(rows))) == rows
    assert READER.read(orjson.loads(body_of(rows))).rows == rows


def test_features_do_not_depend_on_the_applicants_number(sample: Dataset) -> None:
    for number in serving.applicants(sample, 8):
        rows = read(sample, number)
        hidden = nameless(rows, 2_000_000_000)
        assert str(number).encode() not in body_of(hidden)
        loans = [
            row[key] for own in rows.values() for row in own for key in LOAN_KEYS if key in row
        ]
        assert loans
        assert not any(str(loan).encode() in body_of(hidden) for loan in loans)
        again = rows_of(zlib.compress(body_of(hidden)), stand_in=3)
        features = build_features(frames_of([again]))
        assert features["SK_ID_CURR"].to_list() == [3]
        expected = build_features(frames_of([rows]))
        assert_frame_equal(
            features.drop("SK_ID_CURR"), expected.drop("SK_ID_CURR"), check_exact=True
        )


def test_tables_without_rows_are_left_out() -> None:
    frames = frames_of(
        [
            {
                "application": example.REQUEST["application"]
                and [dict(example.REQUEST["application"])],
                "bureau": [],
            }
        ]
    )
    assert list(frames) == ["application"]
    assert isinstance(frames["application"], pl.DataFrame)
