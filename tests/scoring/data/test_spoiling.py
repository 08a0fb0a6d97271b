"""Files spoiled at random are read to the same decisions or refused in words.

`make fuzz` tries 2,000 of them, on the real rows where they are there.
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from scoring.data.checks import DatasetError
from scoring.data.dataset import FILES, Dataset
from scoring.data.ingest import ingest
from scoring.serving.batch import score
from scoring.serving.scorer import Scorer
from tests.helpers.spoiling import spoil

_APPLICANTS = 40
_CUT_SHORT = "was the file cut short?"
# Two lines of a terminal, and all categories of a column.
_LONGEST = 2_000
SPOILINGS = int(os.environ.get("SPOILINGS", "2000"))


def texts_of(dataset: Dataset) -> dict[str, pl.DataFrame]:
    """The files of some applicants as texts, as a CSV file has them."""
    frames = dataset.frames("train")
    some = frames["application"].head(_APPLICANTS).collect()["SK_ID_CURR"].implode()
    files = {}
    loans = frames["bureau"].filter(pl.col("SK_ID_CURR").is_in(some)).collect()["SK_ID_BUREAU"]
    for name in FILES:
        if name == "application_test":
            continue
        frame = frames["application" if name == "application_train" else name]
        by_loan = name == "bureau_balance"
        key = "SK_ID_BUREAU" if by_loan else "SK_ID_CURR"
        rows = frame.filter(pl.col(key).is_in(loans.implode() if by_loan else some))
        files[name] = rows.collect().cast(pl.String)
    return {name: frame for name, frame in files.items() if frame.height}


@pytest.mark.parametrize("spoilings", [60, pytest.param(SPOILINGS, marks=pytest.mark.slow)])
@pytest.mark.parametrize("rows", ["sample", "real_dataset"])
def test_no_spoiled_file_changes_a_decision_without_a_word(
    rows: str, spoilings: int, scorer: Scorer, tmp_path: Path,
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    files = texts_of(request.getfixturevalue(rows))
    (tmp_path / "plain").mkdir()
    for name, frame in files.items():
        frame.write_csv(tmp_path / "plain" / f"{name}.csv")
    expected = score(ingest(tmp_path / "plain", tmp_path / "dataset"), scorer).sort("SK_ID_CURR")
    silent, wordy, read = list[str](), list[str](), 0
    for seed in range(spoilings):
        caplog.clear()
        told = spoil(files, tmp_path / f"spoiled{seed}", seed)
        try:
            dataset = ingest(tmp_path / f"spoiled{seed}", tmp_path / "dataset")
        except DatasetError as error:
            wordy += [told] if len(str(error)) > _LONGEST or "\n" in str(error) else []
            continue
        read += 1
        found = score(dataset, scorer).sort("SK_ID_CURR")
        if found["SK_ID_CURR"].to_list() != expected["SK_ID_CURR"].to_list():
            silent.append(f"{told}: other applicants")
            continue
        if _CUT_SHORT in caplog.text:
            # Nobody can tell what a file held beyond its end, and the log says that it ends oddly.
            continue
        changed = found.filter(
            (found["decision"] != expected["decision"]) & (found["not_understood"] == "")
        )
        accepted = found.filter((found["not_understood"] != "") & (found["decision"] == "accept"))
        if changed.height or accepted.height:
            silent.append(f"{told}: {changed.height} changed, {accepted.height} accepted")
    assert (silent, wordy) == ([], [])
    assert spoilings // 5 < read < spoilings
