"""The Scorer: what it answers, and that only what was saved is ever loaded."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.data.dataset import Dataset
from scoring.features import PROTECTED, build_features
from scoring.features.definitions import definitions
from scoring.files import FilesError
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer
from scoring.modelling.validation import cross_validate
from scoring.serving import scorer as scorer_module
from scoring.serving.booster import BoosterError
from scoring.serving.costs import Costs
from scoring.serving.families.trees import BoostedTrees
from scoring.serving.scorer import Calibration, Feature, Scorer, ScorerError, check_manifest, encode
from tests.helpers.exact import collected, differing, own_rows, shuffled

FILES = ("model.txt", "scorer.json", "profile.json", "manifest.json")


@pytest.fixture(scope="module")
def saved(scorer: Scorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scorer") / "model"
    scorer.save(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.fixture(scope="module")
def unreferred(scorer: Scorer) -> Scorer:
    """The model without a refer band."""
    return replace(scorer, refer_band=(0.0, 0.0))


@pytest.fixture(scope="module")
def biased(sample: Dataset, sample_features: pl.DataFrame) -> Scorer:
    """A model that was made to use protected attributes, and little else."""
    outcomes = sample.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    chosen = sample_features.select("SK_ID_CURR", "EXT_SOURCE_2", *sorted(PROTECTED))
    examples = Examples.of(chosen, outcomes, use_protected=True)
    candidate = Candidate.of("trees", n_estimators=40, colsample_bytree=0.8)
    validation = cross_validate(candidate, examples, Costs(), folds=2)
    return fit_scorer(validation, examples, "biased", {})


@pytest.fixture(scope="module")
def categorical(sample: Dataset, sample_features: pl.DataFrame) -> Scorer:
    """A model of categories, which one of all features hardly uses."""
    outcomes = sample.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    names = [name for name, dtype in sample_features.schema.items() if isinstance(dtype, pl.Enum)]
    examples = Examples.of(sample_features.select("SK_ID_CURR", *names), outcomes)
    candidate = Candidate.of("trees", n_estimators=40, colsample_bytree=0.8)
    validation = cross_validate(candidate, examples, Costs(), folds=2)
    return fit_scorer(validation, examples, "categorical", {})


def test_a_saved_model_answers_the_same_bits(
    scorer: Scorer, saved: Path, sample_features: pl.DataFrame
) -> None:
    loaded = Scorer.load(saved)
    assert loaded == scorer
    assert loaded.predict(sample_features).tobytes() == scorer.predict(sample_features).tobytes()
    one, other = loaded.explain(sample_features), scorer.explain(sample_features)
    assert one.contributions.tobytes() == other.contributions.tobytes()
    assert one.base == other.base
    assert loaded.reasons(sample_features) == scorer.reasons(sample_features)


def test_saving_twice_writes_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    Scorer.load(saved).save(tmp_path / "again")
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_names_and_levels_that_are_not_ascii_survive(scorer: Scorer, tmp_path: Path) -> None:
    named = replace(scorer, name="crédit", lineage={"note": "début – été"})
    named.save(tmp_path / "model")
    assert Scorer.load(tmp_path / "model") == named


def test_pds_are_probabilities_and_the_same_alone_as_together(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    pds = scorer.predict(sample_features)
    assert pds.shape == (sample_features.height,)
    assert ((pds > 0) & (pds < 1)).all()
    assert len(np.unique(pds)) > 100
    alone = [scorer.predict(sample_features[i])[0] for i in range(100)]
    assert np.array(alone).tobytes() == pds[:100].tobytes()


def test_no_applicant_gets_no_answer(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    nobody = sample_features.clear()
    assert scorer.predict(nobody).shape == (0,)
    assert scorer.decide([]) == []


def test_decisions_turn_just_above_the_cutoff(unreferred: Scorer) -> None:
    cutoff = unreferred.cutoff
    assert cutoff == Costs().cutoff
    below, above = np.nextafter(cutoff, 0.0), np.nextafter(cutoff, 1.0)
    assert unreferred.decide([below, cutoff, above]) == ["accept", "accept", "refuse"]
    assert unreferred.decide([0.0, 1.0]) == ["accept", "refuse"]


def test_contributions_and_base_add_up_to_the_log_odds(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    pds = scorer.predict(sample_features)
    found = scorer.explain(sample_features)
    assert found.contributions.shape == (sample_features.height, len(scorer.features))
    total = found.contributions.sum(axis=1) + found.base
    assert total == pytest.approx(np.log(pds / (1 - pds)), abs=1e-9)


def test_what_adds_nothing_is_no_reason(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    flat = replace(scorer, calibration=Calibration(0.0, -2.0))
    assert flat.reasons(sample_features.head(5)) == [[]] * 5
    assert flat.predict(sample_features) == pytest.approx(1 / (1 + np.exp(2.0)))


def test_protected_attributes_are_never_reasons(
    biased: Scorer, sample_features: pl.DataFrame
) -> None:
    explained = biased.explain(sample_features).contributions
    protected = [f.name in PROTECTED for f in biased.features]
    # Each of the three raises the PD of some, and together they move that of nearly all.
    raised = explained[:, protected] > 0
    assert raised.any(axis=0).sum() == len(PROTECTED)
    assert raised.any(axis=1).mean() > 0.6
    assert (explained[:, protected] != 0).any(axis=1).mean() > 0.9
    told = {reason.feature for row in biased.reasons(sample_features) for reason in row}
    assert told == {"EXT_SOURCE_2"}


def test_an_unknown_category_counts_as_missing(
    categorical: Scorer, sample_features: pl.DataFrame
) -> None:
    expected = categorical.predict(sample_features)
    moved = 0
    for name in (feature.name for feature in categorical.features if feature.levels):
        unknown = sample_features.with_columns(pl.lit("Astronaut").alias(name))
        missing = sample_features.with_columns(pl.lit(None, pl.String).alias(name))
        found = categorical.predict(unknown)
        assert np.array_equal(found, categorical.predict(missing))
        moved += not np.array_equal(found, expected)
    assert moved >= 3


def test_categories_are_matched_by_name_not_by_code(
    categorical: Scorer, sample_features: pl.DataFrame
) -> None:
    expected = categorical.predict(sample_features)
    levels = {
        name: dtype.categories.to_list()
        for name, dtype in sample_features.schema.items()
        if isinstance(dtype, pl.Enum)
    }
    turned = {name: pl.Enum(["Astronaut", *known[::-1]]) for name, known in levels.items()}
    as_text = dict.fromkeys(levels, pl.String())
    for types in (turned, as_text):
        recast = sample_features.with_columns(
            pl.col(name).cast(dtype) for name, dtype in types.items()
        )
        assert np.array_equal(categorical.predict(recast), expected)


def test_columns_are_found_by_name_and_others_passed_over(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    turned = sample_features.select(reversed(sample_features.columns)).with_columns(more=1)
    assert np.array_equal(scorer.predict(turned), scorer.predict(sample_features))


def test_a_missing_feature_is_named(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    for call in (scorer.predict, scorer.explain, scorer.reasons):
        with pytest.raises(ScorerError, match=r"2 features are missing.*'AMT_CREDIT'"):
            call(sample_features.drop("AMT_CREDIT", "EXT_SOURCE_2"))


def test_encoding() -> None:
    frame = pl.DataFrame({"A": [1.5, None], "C": ["y", "n"]}, schema={"A": pl.Float32, "C": str})
    matrix = encode(frame, [Feature("C", ("n", "y")), Feature("A")])
    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    assert np.array_equal(matrix, [[1.0, 1.5], [0.0, np.nan]], equal_nan=True)
    assert np.array_equal(encode(frame, [Feature("C", ("n", "y"))]), [[1.0], [0.0]])
    assert encode(frame, []).shape == (2, 0)


# A model is carried whole: the refer band, texts.


@pytest.fixture(scope="module")
def sample_rows(sample: Dataset) -> dict[str, pl.DataFrame]:
    return collected(sample.frames())


@pytest.fixture
def carried(banded_scorer: Scorer, tmp_path: Path) -> Path:
    banded_scorer.save(tmp_path / "model")
    return tmp_path / "model"


def test_one_applicant_alone_gets_the_batchs_answer_to_the_last_bit(
    banded_scorer: Scorer, sample_rows: dict[str, pl.DataFrame], sample_features: pl.DataFrame
) -> None:
    pds = banded_scorer.predict(sample_features)
    for row in range(0, 1_000, 50):
        applicant = sample_features["SK_ID_CURR"][row]
        own = shuffled(own_rows(sample_rows, applicant), seed=row)
        # A request holds only the tables that have rows.
        own = {name: frame for name, frame in own.items() if frame.height}
        alone = build_features(own)
        assert differing(alone, sample_features[row]) == []
        assert banded_scorer.predict(alone).tobytes() == pds[row : row + 1].tobytes()


def test_a_saved_model_carries_everything(
    banded_scorer: Scorer,
    carried: Path,
    sample_features: pl.DataFrame,
    tmp_path: Path,
) -> None:
    loaded = Scorer.load(carried)
    assert loaded == banded_scorer
    pds = banded_scorer.predict(sample_features)
    assert loaded.predict(sample_features).tobytes() == pds.tobytes()
    assert loaded.reasons(sample_features[:20]) == banded_scorer.reasons(sample_features[:20])
    loaded.save(tmp_path / "again")
    assert {path.name for path in carried.iterdir()} == set(FILES)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (carried / name).read_bytes()


def test_applications_in_the_band_are_referred_both_ends_included(scorer: Scorer) -> None:
    low, high = 0.05, 0.2
    banded = replace(scorer, refer_band=(low, high))
    pds = [0.0, np.nextafter(low, 0), low, banded.cutoff, high, np.nextafter(high, 1), 1.0]
    assert banded.decide(pds) == [
        "accept", "accept", "refer", "refer", "refer", "refuse", "refuse",
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(pd=st.floats(0, 1), edges=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_band_only_ever_turns_decisions_into_referrals(
    unreferred: Scorer, pd: float, edges: list[float]
) -> None:
    low, high = min(*edges, unreferred.cutoff), max(*edges, unreferred.cutoff)
    (without,) = unreferred.decide([pd])
    (banded,) = replace(unreferred, refer_band=(low, high)).decide([pd])
    assert banded == ("refer" if low < high and low <= pd <= high else without)


def test_a_band_of_no_width_refers_nobody(unreferred: Scorer) -> None:
    assert unreferred.refer_band == (unreferred.cutoff, unreferred.cutoff)
    assert unreferred.decide([unreferred.cutoff]) == ["accept"]
    moved = replace(unreferred, cutoff=0.3)
    assert moved.refer_band == (0.3, 0.3)
    assert moved.decide([0.25, 0.3, 0.35]) == ["accept", "accept", "refuse"]


@pytest.mark.parametrize("band", [(0.1, 0.2), (0.01, 0.05), (0.2, 0.01), (-0.1, 0.2), (0.0, 1.5)])
def test_a_band_beside_the_cutoff_cannot_be_made(band: tuple[float, float], scorer: Scorer) -> None:
    with pytest.raises(ValueError, match="must hold the cut-off"):
        replace(scorer, refer_band=band)


# What is on disk.


def altered(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["model.txt", "scorer.json"])
def test_any_changed_byte_is_refused_with_the_file_named(name: str, copy: Path) -> None:
    path = copy / name
    whole = path.read_bytes()
    places = np.random.default_rng(3).choice(len(whole), 150, replace=False)
    for position in [0, 1, len(whole) - 1, *places]:
        altered(path, position)
        with pytest.raises(ScorerError, match=f"{name} is not the file that was saved"):
            Scorer.load(copy)
        path.write_bytes(whole)
    assert Scorer.load(copy)


def test_any_changed_byte_of_the_manifest_is_refused(copy: Path) -> None:
    path = copy / "manifest.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        altered(path, position)
        with pytest.raises(ScorerError, match=str(copy)):
            check_manifest(copy)
        path.write_bytes(whole)
    assert Scorer.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_or_missing_file_is_refused_with_the_file_named(name: str, copy: Path) -> None:
    path = copy / name
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:length])
        with pytest.raises(ScorerError, match=name):
            Scorer.load(copy)
    path.unlink()
    with pytest.raises(ScorerError, match=name):
        Scorer.load(copy)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match=r"no readable manifest\.json"):
        Scorer.load(tmp_path / "nowhere")


@pytest.mark.parametrize("manifest", ["[]", "null", "{}", '{"format": 4, "files": 3}', "\xff"])
def test_a_strange_manifest_is_refused(manifest: str, copy: Path) -> None:
    (copy / "manifest.json").write_text(manifest, encoding="latin-1")
    with pytest.raises(ScorerError, match=r"no readable manifest\.json"):
        Scorer.load(copy)


@pytest.mark.parametrize("other", [1, 2, 3, 4, 6])
def test_another_format_is_refused(other: int, copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"format": other}))
    with pytest.raises(ScorerError, match=f"format {other}, and this code reads format 5"):
        Scorer.load(copy)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "/etc/hostname",
        "learned/../../secret.txt",
        "learned/nested/../../../secret.txt",
        "learned/neighbours/../x/y.json",
        "learned/neighbours/points.pkl",
        "learned/neighbours/deeper/points.npy",
        "learned\\neighbours\\points.npy",
        "C:/secret.txt",
        "model.txt/",
        "model.txt\n",
        "notes.txt",
        "",
    ],
)
def test_a_manifest_cannot_name_other_files(name: str, copy: Path) -> None:
    secret = copy.parent / "secret.txt"
    secret.write_text("not of the model")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(secret.read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ScorerError, match="is no file of a model") as raised:
        Scorer.load(copy)
    assert repr(name) in str(raised.value)


@pytest.mark.parametrize("name", ["notes.txt", ".hidden", "points.npy"])
def test_a_file_that_the_manifest_does_not_know_is_refused(name: str, copy: Path) -> None:
    (copy / name).write_text("planted")
    with pytest.raises(ScorerError, match=f"'{name}' is no file of a model"):
        Scorer.load(copy)


def test_a_model_with_features_learnt_from_data_is_refused_in_words(copy: Path) -> None:
    """Earlier code made some, of the same format otherwise."""
    text = (copy / "scorer.json").read_text()
    rewritten(copy, "scorer.json", lambda text: text.replace("{", '{"learned": [],', 1))
    with pytest.raises(ScorerError, match="not a usable model: learned: "):
        Scorer.load(copy)
    rewritten(copy, "scorer.json", lambda _: text)
    (copy / "learned" / "nested").mkdir(parents=True)
    with pytest.raises(ScorerError, match=r"'learned' is no file of a model: .* train one"):
        Scorer.load(copy)


def test_a_model_is_tied_to_the_definitions_of_what_it_reads(
    scorer: Scorer, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = dict(definitions())
    assert scorer.definitions == {f.name: now[f.name] for f in scorer.features}
    read, unread = scorer.features[5].name, (now.keys() - scorer.definitions.keys()).pop()

    def computing(**changes: str | None) -> None:
        changed = {name: own for name, own in (now | changes).items() if own is not None}
        monkeypatch.setattr(scorer_module, "definitions", lambda: changed)

    for changes in ({"new": "0" * 16}, {unread: None}, {unread: "0" * 16}):
        computing(**changes)
        assert Scorer.load(copy) == scorer
    computing(**{read: "0" * 16})
    with pytest.raises(ScorerError, match=f"'{read}' is computed otherwise.*train a model"):
        Scorer.load(copy)
    computing(**{read: None})
    with pytest.raises(ScorerError, match=f"missing from what this code computes: '{read}'"):
        Scorer.load(copy)


def test_a_model_that_does_not_say_how_a_feature_is_computed_is_refused(copy: Path) -> None:
    said = json.loads((copy / "scorer.json").read_text())
    del said["definitions"]["AMT_CREDIT"]
    rewritten(copy, "scorer.json", lambda _: json.dumps(said))
    with pytest.raises(ScorerError, match="'AMT_CREDIT' is computed otherwise"):
        Scorer.load(copy)


def rewritten(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a file and sign the change, as no careful hand would."""
    path = folder / name
    path.write_text(change(path.read_text()))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("scorer.json", lambda text: text.replace('"cutoff"', '"cut"')),
        ("scorer.json", lambda text: text.replace('"slope"', '"tilt"')),
        ("scorer.json", lambda text: text.replace('"false_negative": 10', '"false_negative": -1')),
        ("scorer.json", lambda text: text.replace('"refer_band"', '"band"')),
        ("scorer.json", lambda text: text.replace('"lineage"', '"line"')),
        ("profile.json", lambda text: text.replace('"usual"', '"common"')),
        ("profile.json", lambda text: text.replace('"Cash loans",', '"Cash", ')),
        ("scorer.json", lambda _: "[]"),
        ("scorer.json", lambda text: text[:-30]),
        ("model.txt", lambda _: "no model"),
        ("model.txt", lambda text: text[: text.index("end of trees") - 100]),
    ],
)
def test_a_signed_file_that_makes_no_model_is_refused(
    name: str, change: Callable[[str], str], copy: Path
) -> None:
    rewritten(copy, name, change)
    with pytest.raises(ScorerError, match="not a usable model"):
        Scorer.load(copy)


def test_a_failed_save_leaves_nothing(scorer: Scorer, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        replace(scorer, lineage={"when": object()}).save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_model(scorer: Scorer, copy: Path) -> None:
    with pytest.raises(TypeError):
        replace(scorer, version="9", lineage={"when": object()}).save(copy)
    assert Scorer.load(copy) == scorer
    assert [path.name for path in copy.parent.iterdir()] == ["model"]
    replace(scorer, version="9").save(copy)
    assert Scorer.load(copy).version == "9"


def test_a_folder_of_something_else_is_never_replaced(scorer: Scorer, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FilesError, match="not replaced"):
        scorer.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_scorer_of_no_model_cannot_be_made(scorer: Scorer) -> None:
    with pytest.raises(BoosterError):
        BoostedTrees(scorer.features, "no model")


def test_serving_imports_no_training_library(saved: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from scoring.serving.scorer import Scorer
Scorer.load(Path({str(saved)!r}))
heavy = {{"lightgbm", "pandas", "sklearn", "scipy", "mlflow", "shap", "evidently", "matplotlib"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
