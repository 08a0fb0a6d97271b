"""The model card: complete or refused, the same content in Markdown, HTML and JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from scoring.data.dataset import Dataset
from scoring.features import PROTECTED
from scoring.modelling.examples import HOLDOUT_RULE, Examples
from scoring.modelling.pipeline import Run
from scoring.modelling.validation import Validation
from scoring.registry.approval import kept_card, register
from scoring.registry.mlflow_registry import CHALLENGER, Registry
from scoring.reports.card.fields import (
    NOT_APPROVED,
    Approval,
    Card,
    CardError,
    Data,
    Family,
    Features,
    Figure,
    Method,
    missing,
)
from scoring.reports.card.making import Background, background_of, card_of, described
from scoring.reports.card.pages import html, markdown, sections
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer
from tests.helpers.cards import filled_card
from tests.helpers.trained import run_of

NOW = "2026-11-22T10:30:00+00:00"


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values of a card, and of all its tuples and mappings."""
    if is_dataclass(value):
        for item in fields(value):
            yield from leaves(getattr(value, item.name), (*path, item.name))
        return
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from leaves(item, (*path, number))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at a path."""
    if not path:
        return new
    first, *rest = path
    if is_dataclass(value):
        return replace(value, **{first: changed(getattr(value, first), tuple(rest), new)})
    if isinstance(value, dict):
        return value | {first: changed(value[first], tuple(rest), new)}
    items = list(value)
    items[first] = changed(items[first], tuple(rest), new)
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


def emptied(value: Any) -> list[Any]:
    if isinstance(value, float):
        return [float("nan"), float("inf"), None]
    return {str: ["", "  ", None], dict: [{}, None]}.get(type(value), [(), None])


# A card of before curves were kept has none, and one of few applicants, or of a model that accepts
# nobody, has no groups or ratios; of those that there are none is empty.
MAY_LACK = {("curves",), ("fairness", "groups"), ("fairness", "ratios")}
EVERY_PATH = [path for path in leaves(filled_card()) if path not in MAY_LACK]


def value_at(path: tuple[Any, ...]) -> Any:
    value: Any = filled_card()
    for step in path:
        value = getattr(value, step) if is_dataclass(value) else value[step]
    return value


@pytest.mark.parametrize("path", EVERY_PATH, ids=lambda path: ".".join(map(str, path)))
def test_any_empty_field_is_found_and_refused(path: tuple[Any, ...]) -> None:
    for nothing in emptied(value_at(path)):
        card = changed(filled_card(), path, nothing)
        found = list(missing(card))
        assert len(found) == 1
        assert found[0].startswith(str(path[0]))
        for view in (markdown, html):
            with pytest.raises(CardError, match="empty fields: " + str(path[0])):
                view(card)


def test_a_filled_card_lacks_nothing_and_zero_is_a_value() -> None:
    card = filled_card()
    assert list(missing(card)) == []
    assert list(missing(changed(card, ("deciding", "referred"), 0.0))) == []
    assert list(missing(changed(card, ("method", "configurations"), 0))) == []


class Page(HTMLParser):
    """What matters of a page: tags with attributes, and visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_both_views_tell_every_field() -> None:
    card = filled_card()
    page, text = Page(html(card, "en")).text, markdown(card)
    told = [
        "the risk team", "22 November 2026", "This model estimates", "accept, refer or", "prices",
        "ab" * 32, "10,000", "8,000", "2,000", "8.0%", "a hash below 0.2", "911",
        "Sex of the applicant",
        "lightgbm (chosen)", "num_leaves", "by gain",
        "The best trial is chosen", "Platt scaling", "41", "0.7512", "0.7201",
        "0.7811", "0.7499", "above 9.1%", "is 9.1%", "from 8.0% to 10.0%", "7.0%", "12,345 lost",
        "sex: female", "72.0% (70.0% to 74.0%)", "0.6120", "0.5700", "broken: alert",
        "family status: Unknown (1)", "1.0% (−1.0% to 3.0%)", "0.830", "costs 0.001",
        "application__EXT_SOURCES_MEAN", "Average external score", "Selective labels",
        "Daily: drift", "4.7.0", "Nobody yet.",
    ]  # fmt: skip
    assert [word for word in told if word not in text] == []
    assert [word for word in told if word not in page] == []
    assert "Ce modèle estime" in text
    pictures = html(card, "en").count("<svg ")
    assert pictures == 4
    older = html(replace(card, curves={}), "en")
    assert older.count("<svg ") == 1


def test_a_gate_that_says_a_sentence_of_the_card_twice_is_left_as_it_is() -> None:
    said = f"{HOLDOUT_RULE} against {HOLDOUT_RULE}"
    approval = Approval("ana", "why", NOW, "passed", (f"held out: {said}",))
    card = replace(filled_card(), approval=approval)
    assert said in Page(html(card, "en")).text
    assert said in Page(html(card, "fr")).text


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (NOT_APPROVED, "Nobody yet."),
        ("the modelling notebook", "Nobody yet: promoted without a person, by the modelling"),
        ("python -m scoring retrain", "Nobody yet: promoted without a person, by python -m"),
        ("ana", "ana"),
    ],
)
def test_who_approved_is_a_person_or_nobody(by: str, told: str) -> None:
    card = replace(filled_card(), approval=Approval(by, "why", NOW, "passed", ("gate",)))
    row = next(line for line in markdown(card).splitlines() if line.startswith("| Approval"))
    assert row.startswith(f"| Approval | {told}")


def test_a_gate_that_was_forced_is_told_in_the_reader_s_language() -> None:
    gates = "calibration: PDs are off by 0.0100 on average (at most 0.0300).", (
        "fresh hold-out: Refused, and overridden. Other models measured on these applicants "
        "before: 20 (from 20 on a fresh hold-out, of newer outcomes, is needed)."
    )  # fmt: skip
    verdict = "forced past: fresh hold-out, fairness by age"
    page = html(replace(filled_card(), approval=Approval("ana", "why", NOW, verdict, gates)), "fr")
    text = Page(page).text
    assert "promu sans satisfaire : demandeurs peu utilisés, équité par âge" in text
    assert "demandeurs peu utilisés : Refusée, mais outrepassée. Autres modèles déjà" in text
    assert text.count("outrepassée") == 1
    assert "22 novembre 2026 10:30 UTC" in text
    assert "situation familiale : Unknown (1)" in text


def test_the_page_loads_nothing_and_suits_a_screen_reader() -> None:
    text = html(filled_card(), "en")
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert page.open == []
    assert not {"script", "link", "img", "iframe"} & set(names)
    assert "http" not in text
    # A drawing refers to its own parts alone.
    assert not re.search(r"url\((?!#)", text)
    assert names.count("h1") == 1
    assert names.count("h2") == len(sections(filled_card()))
    assert names.count("caption") == names.count("table") > 5
    assert all("scope" in attributes for tag, attributes in page.tags if tag == "th")
    assert dict(page.tags)["html"] == {"lang": "en"}
    both = [attributes for tag, attributes in Page(html(filled_card())).tags if tag == "div"]
    assert {"class": "report", "id": "fr", "lang": "fr"} in both


def test_headings_and_tables_come_in_french_too() -> None:
    text = html(filled_card(), "fr")
    page = Page(text)
    assert dict(page.tags)["html"] == {"lang": "fr"}
    assert not [attributes for tag, attributes in page.tags if tag == "section" and attributes]
    for words in ("Fiche du modèle :", "Défauts refusés", "72,0 % (70,0 % à 74,0 %)"):
        assert words in page.text
    assert (
        "Par âge, les moins de 30 ans sont acceptés le moins souvent, à 61 % du taux des 60 ans et"
        in page.text.replace("\xa0", " ")
    )
    assert "Le sexe se devine pourtant d'après les variables, avec une AUC de 0,83" in html(
        replace(filled_card(), features=Features(1, {"a": 1}, tuple(sorted(PROTECTED)))), "fr"
    ).replace("&#39;", "'")


def test_what_a_training_found_is_said_in_the_words_and_figures_of_the_page() -> None:
    card, told = filled_card(), "its smoothed cost differs by"
    method = replace(
        card.method,
        family="sum",
        choice=f"linear is not chosen: {told} +0.0029 [-0.0038, +0.0096] from the default's, no "
        f"lower beyond chance. The best trial is chosen: {told} -0.0100 [-0.0171, -0.0029] from "
        "the default's, lower beyond chance. Compared on 20,000 of the 246,008 applicants to learn "
        "from.",
        parameters={"C": 0.003, "directed": True},
    )
    approval = Approval("the modelling notebook", "as ana said", NOW, "every gate passed", ("a",))
    data = replace(card.data, split=HOLDOUT_RULE)
    text = html(replace(card, method=method, approval=approval, data=data), "fr")
    page = Page(text).text.replace("\xa0", " ")
    for words in (
        "Non retenu : « Régression logistique », dont le coût lissé diffère de +0,0029 [−0,0038",
        "Retenu : « meilleur essai de la recherche », dont le coût lissé diffère de −0,0100",
        "du choix par défaut, plus bas au-delà du hasard.",
        "Comparaison faite sur 20 000 des 246 008 demandeurs de l'apprentissage.",
        "Régression logistique + arbres boostés", "0,003", "oui",
        "par le carnet de modélisation", "as ana said", "tous les contrôles sont passés",
        "demandeurs d'exemple (inventés)", "les 20 % dont l'empreinte de SK_ID_CURR",
    ):  # fmt: skip
        assert words in page
    assert "<ul><li>a</li>" in text
    english = Page(html(replace(card, method=method), "en")).text
    assert f"Logistic regression is not chosen: {told} +0.0029 [−0.0038," in english


def contrast(first: str, second: str) -> float:
    """Of two colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_text_can_be_read() -> None:
    text = html(filled_card())
    for background in ("#ffffff", "#eaeef2"):
        assert background in text
        assert contrast("#1f2328", background) > 7
    assert "color: #1f2328" in text


def test_what_somebody_writes_never_becomes_markup() -> None:
    why = '<script>alert("x")</script> | a & b\n# heading'
    card = replace(filled_card(), approval=Approval("ana", why, NOW, "passed", (why,)))
    assert "script" not in [tag for tag, _ in Page(html(card)).tags]
    assert why.split("\n")[0] in Page(html(card)).text
    text = markdown(card)
    assert "<script" not in text
    assert "\n# heading" not in text
    row = next(line for line in text.splitlines() if line.startswith("| Why"))
    assert row.replace("\\|", "").count("|") == 3


def test_markdown_tables_are_rectangular() -> None:
    rows = [line for line in markdown(filled_card()).splitlines() if line.startswith("|")]
    widths = [line.count("|") for line in rows]
    heads = [number for number, line in enumerate(rows) if set(line) <= set("|- ")]
    assert len(heads) > 5
    for head, following in zip(heads, [*heads[1:], len(rows) + 1], strict=True):
        assert len(set(widths[head - 1 : following - 1])) == 1


def test_json_gives_the_card_back() -> None:
    card = filled_card()
    text = card.dump()
    again = Card.parse(text)
    assert again == card
    assert again.dump() == text
    assert isinstance(again.holdout[0], Figure)
    # A card of before may hold what is in the catalogue since.
    assert Card.parse(json.dumps(json.loads(text) | {"summary_fr": "...", "limits": ["-"]})) == card
    assert json.loads(text)["identity"] == dataclasses.asdict(card.identity)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"identity": {}}', "null"])
def test_what_is_no_card_is_told(text: str) -> None:
    with pytest.raises(CardError, match="not a model card"):
        Card.parse(text)


def test_no_band_is_told_as_such() -> None:
    card = changed(filled_card(), ("deciding", "refer_high"), 0.08)
    assert "No application is referred" in markdown(card)


@pytest.fixture(scope="module")
def background() -> Background:
    return Background(
        data=Data("synthetic", "0" * 64, 800, 0.08, 640, 160, "a hash below 0.2"),
        method=Method(
            "lightgbm", {"num_leaves": 16}, "none", "none", 3,
            "It is the only one.", (Family("dummy", 0.5, 0.8, 0.07, True),),
        ),
        cross_validation={"auc": 0.7}, proxy_auc=Figure("auc", 0.8, 0.75, 0.85),
        price="It costs nothing.", packages={"lightgbm": "4.7.0"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(sample_examples: Examples, background: Background) -> Callable[[Scorer], Card]:
    def make(model: Scorer) -> Card:
        frame, target = sample_examples.frame, sample_examples.target
        return described(model, frame, target, background, created="2026-11-22")

    return make


def test_the_card_of_a_run_is_complete_and_can_be_made_again(
    scorer: Scorer, sample_examples: Examples, made: Callable[[Scorer], Card]
) -> None:
    card = made(scorer)
    assert list(missing(card)) == []
    assert made(scorer).dump() == card.dump()
    assert Card.parse(card.dump()) == card
    assert card.approval.by == NOT_APPROVED
    assert card.curves.keys() == {"roc", "reliability", "cost"}
    assert card.curves["roc"][0] == (0.0, 0.0)
    assert card.curves["roc"][-1] == (1.0, 1.0)
    rate = float(np.mean(sample_examples.target))
    ends = [cost for _, cost in (card.curves["cost"][0], card.curves["cost"][-1])]
    assert ends == pytest.approx([1 - rate, 10 * rate])
    assert card.features.count == len(scorer.features)
    assert sum(card.features.by_table.values()) == card.features.count
    assert "CODE_GENDER" in card.features.left_out
    found = {item.name: item for item in card.holdout}
    pds = scorer.predict(sample_examples.frame)
    assert found["auc"].value == pytest.approx(roc_auc_score(sample_examples.target, pds))
    assert all(item.low <= item.high for item in card.holdout)
    assert {group.attribute for group in card.fairness.groups} == {"sex", "age", "family status"}
    assert card.data.applicants == 800


@pytest.mark.parametrize(
    ("false_negative", "ratios", "told"),
    [(1e6, set(), "Nobody of these groups is accepted"), (1e-6, {1.0}, "kept")],
    ids=["nobody", "everybody"],
)
def test_the_card_of_a_model_that_accepts_nobody_or_everybody_is_complete(
    scorer: Scorer, made: Callable[[Scorer], Card], false_negative: float, ratios: set[float],
    told: str,
) -> None:  # fmt: skip
    costs = Costs(false_negative)
    card = made(replace(scorer, costs=costs, cutoff=costs.cutoff, refer_band=(0.0, 0.0)))
    assert list(missing(card)) == []
    assert {ratio.ratio.value for ratio in card.fairness.ratios} == ratios
    assert told in markdown(card)


def test_the_card_of_a_few_held_out_applicants_tells_that_groups_are_too_small(
    scorer: Scorer, background: Background, sample_examples: Examples
) -> None:
    few = sample_examples.frame.head(60), sample_examples.target[:60]
    card = described(scorer, *few, background, "2026-11-22")
    assert card.fairness.groups == ()
    assert "too few groups are large enough" in markdown(card)
    assert "trop peu de groupes" in html(card, "fr")


def test_the_card_tells_sample_applicants_from_real_ones_and_what_is_used(
    scorer: Scorer, made: Callable[[Scorer], Card], sample_examples: Examples,
    background: Background,
) -> None:  # fmt: skip
    card = made(scorer)
    assert "Trained on sample applicants, invented from" in markdown(card)
    assert "fictifs" in markdown(card)
    assert "Ni le sexe, ni l'âge" in markdown(card)
    assert "Par âge, les" in markdown(card)
    real = replace(background, data=replace(background.data, source="home-credit"))
    card = described(scorer, sample_examples.frame, sample_examples.target, real, "2026-11-22")
    assert "Trained on the rows of Kaggle's" in html(card, "en").replace("&#39;", "'")
    assert "fictifs" not in markdown(card)


def test_the_summary_speaks_french_numbers(scorer: Scorer, made: Callable[[Scorer], Card]) -> None:
    banded = replace(scorer, refer_band=(0.08, 0.12))
    text = markdown(made(banded)).partition("## Résumé")[2].partition("## ")[0]
    assert "9,1\u00a0%" in text
    assert "Entre 8,0\u00a0% et 12,0\u00a0%" in text
    assert "10 fois" in text
    assert not re.search(r"\d\.\d", text)
    assert made(banded).deciding.referred > 0
    assert "conseiller" in text


@pytest.fixture(scope="module")
def run(
    scorer: Scorer, sample: Dataset, sample_examples: Examples, sample_validation: Validation
) -> Run:
    return run_of(scorer, sample, sample_examples, sample_validation)


def test_a_card_tells_what_a_training_found(run: Run) -> None:
    card = card_of(run, "2026-11-22", owner="the risk team")
    assert list(missing(card)) == []
    assert card.data.split == HOLDOUT_RULE
    assert card.data.default_rate == pytest.approx(run.data.holdout.target.mean())
    assert card.method.configurations == run.configurations == 3
    assert card.method.choice == "The best trial is not chosen."
    assert card.method.parameters["n_estimators"] == 60
    assert [(item.name, item.chosen) for item in card.method.families] == [("trees", True)]
    assert card.fairness.proxy_auc[1:] == (0.8, 0.75, 0.85)
    assert "+0.0000" in card.fairness.price
    assert card.identity.owner == "the risk team"
    assert card.packages.keys() >= {"lightgbm", "scikit-learn", "optuna"}
    assert not [name for name in card.cross_validation if name.endswith("seconds")]
    assert "the 400 features" in background_of(kept(run, 400)).method.selection


def kept(run: Run, features: int) -> Run:
    """The run, had it chosen some features only."""
    validation = run.choice.validation
    few = replace(validation, candidate=replace(validation.candidate, kept=features))
    return replace(run, choice=replace(run.choice, validation=few))


def test_a_training_is_registered_with_its_figures_and_its_card(run: Run, tmp_path: Path) -> None:
    before = mlflow.get_tracking_uri()
    registry = Registry(tmp_path)
    try:
        with registry.run("champion", {}):
            registered = register(registry, run, "2026-11-22")
        (version,) = registry.versions()
        assert version.aliases == (CHALLENGER,)
        assert version.figures["auc"] == run.figures["auc"].value
        card = kept_card(registry, registered.version)
        assert card is not None
        assert card.identity.version == registered.version == "1"
        assert registry.attached("1", "model_card.html") == html(card)
        with registry.run("incomplete", {}), pytest.raises(CardError, match=r"identity\.owner"):
            register(registry, run, "2026-11-22", owner="")
        assert registry.latest_version() == 1
    finally:
        mlflow.set_tracking_uri(before)
