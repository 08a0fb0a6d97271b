"""One page that leads to every report: what there is, for whom, and how the rest is made.

It opens from a disk without a network, and so does all that it leads to.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from scoring.files import staged_file
from scoring.reports.document import Block, Link, Links, Paragraph, Section, html, page_of
from scoring.reports.notebooks import as_html

INDEX = "index.html"


class Entry(NamedTuple):
    """A report that may be there.

    Attributes
    ----------
    file : str
        In the folder of reports.
    title, says : dict of str to str
        What it is called and what is in it, by language.
    made_by : str
        The command that makes it.
    """

    file: str
    title: dict[str, str]
    says: dict[str, str]
    made_by: str


NOTEBOOKS = (
    Entry(
        "notebooks/01_preprocessing.html",
        {"en": "Notebook 1: preprocessing", "fr": "Carnet 1 : préparation"},
        {
            "en": "Tables, features, what is known of whom.",
            "fr": "Tables, variables, ce que l'on sait de qui.",
        },
        "make run",
    ),
    Entry(
        "notebooks/02_modelling.html",
        {"en": "Notebook 2: modelling", "fr": "Carnet 2 : modélisation"},
        {
            "en": "Models from simple to complex, business cost, calibration, importance.",
            "fr": "Modèles du simple au complexe, coût métier, calibration, importance, équité.",
        },
        "make run",
    ),
    Entry(
        "notebooks/03_drift.html",
        {"en": "Notebook 3: drift", "fr": "Carnet 3 : dérive"},
        {
            "en": "Training applicants against test applicants, with a conclusion.",
            "fr": "Demandeurs d'apprentissage et de test comparés, avec une conclusion.",
        },
        "make run",
    ),
)
MODEL = (
    Entry(
        "model_card.html",
        {"en": "Model card", "fr": "Fiche du modèle"},
        {
            "en": "What the champion is for, learnt from and measured to do; its limits, and its "
            "fairness by sex, age and family status.",
            "fr": "Usage, données, mesures, limites et équité du modèle en place.",
        },
        "make run",
    ),
    Entry(
        "benchmarks.html",
        {"en": "Benchmarks", "fr": "Mesures de vitesse"},
        {
            "en": "How fast the API answers, beside a bare Flask application.",
            "fr": "Vitesse de l'API, comparée à une application Flask nue.",
        },
        "make bench",
    ),
)
WATCH = (
    Entry(
        "drift.html",
        {"en": "Drift report", "fr": "Rapport de dérive"},
        {
            "en": "Every column of train and test compared, by Evidently and by PSI.",
            "fr": "Dérive entre apprentissage et test, colonne par colonne.",
        },
        "make run",
    ),
    Entry(
        "monitoring.html",
        {"en": "Monitoring", "fr": "Surveillance"},
        {
            "en": "The last look at what the API recorded: drift, quality, alerts, performance.",
            "fr": "Dernier examen des décisions enregistrées.",
        },
        "python -m scoring monitor",
    ),
    Entry(
        "retraining.html",
        {"en": "Retraining", "fr": "Réentraînement"},
        {
            "en": "The last challenger from recorded outcomes, and why it was promoted or not.",
            "fr": "Dernier réentraînement, et pourquoi il a été retenu ou non.",
        },
        "python -m scoring retrain",
    ),
    Entry(
        "power.html",
        {"en": "Power of the alerts", "fr": "Puissance des alertes"},
        {
            "en": "How many applicants it takes to see a change, and how rare false alarms are.",
            "fr": "Combien de demandeurs avant qu'un changement soit vu.",
        },
        "python -m studies power",
    ),
    Entry(
        "simulation.html",
        {"en": "Simulation", "fr": "Simulation"},
        {
            "en": "What two years cost with a model that is never retrained, and with others.",
            "fr": "Coût de deux années selon la politique de réentraînement.",
        },
        "python -m studies simulate",
    ),
)
_PARTS = (
    ({"fr": "Le modèle", "en": "The model"}, MODEL),
    ({"fr": "Comment il a été fait", "en": "How it was made"}, NOTEBOOKS),
    ({"fr": "Comment il est surveillé", "en": "How it is watched"}, WATCH),
)
_NOT_YET = {"fr": "pas encore produit ; la commande : ", "en": "not made yet; the command: "}


def write(reports: Path) -> Path:
    """Write the page, and as HTML what is there as a notebook or as Markdown.

    Parameters
    ----------
    reports : Path
        The folder of reports; executed notebooks are in its folder notebooks.
    """
    for notebook in sorted((reports / "notebooks").glob("*.ipynb")):
        _write(notebook.with_suffix(".html"), as_html(notebook))
    for text in sorted(reports.glob("benchmarks.md")):
        _write(text.with_suffix(".html"), markdown_html(text))
    sections = [
        _section(reports, language, titles[language], entries)
        for language in ("fr", "en")
        for titles, entries in _PARTS
    ]
    page = html("Credit scoring: the reports", sections)
    # Many a folder has an index that is somebody else's.
    _write(reports / INDEX, page, page.partition("</title>")[0].encode())
    return reports / INDEX


def markdown_html(text: Path) -> str:
    """A text in Markdown as one file that loads nothing."""
    lines = text.read_text("utf-8").split("\n", 1)
    body = MarkdownIt("commonmark").enable("table").render(lines[1])
    return page_of(lines[0].removeprefix("# ").strip(), body)


def _section(reports: Path, language: str, title: str, entries: tuple[Entry, ...]) -> Section:
    there = [entry for entry in entries if (reports / entry.file).is_file()]
    blocks: list[Block] = [
        Paragraph(f"{one.title[language]}: {_NOT_YET[language]}{one.made_by}", language)
        for one in entries
        if one not in there
    ]
    if there:
        links = (Link(one.file, one.title[language], one.says[language]) for one in there)
        blocks.insert(0, Links(tuple(links)))
    return Section(title, tuple(blocks), language)


def _write(path: Path, content: str, begins: bytes | None = None) -> None:
    with staged_file(path, begins) as staged:
        staged.write_text(content, encoding="utf-8")
