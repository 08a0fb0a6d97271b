"""A model card as Markdown and as one HTML file: two views of the same sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scoring.evaluation.fairness import FOUR_FIFTHS
from scoring.reports import document
from scoring.reports.card.fields import Card, Figure, check_complete
from scoring.reports.document import Bullets, Paragraph, Section, Table

FRENCH_TITLE = "Résumé"
_NAMES = {
    "auc": "AUC",
    "gini": "Gini",
    "ks": "KS",
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "expected calibration error",
    "f_beta": "F-beta",
}


def markdown(card: Card) -> str:
    """The card as GitHub-flavoured Markdown.

    Raises
    ------
    CardError
        If a field is empty.
    """
    return document.markdown(_title(card), sections(card))


def html(card: Card) -> str:
    """The card as one HTML file that loads nothing.

    Raises
    ------
    CardError
        If a field is empty.
    """
    return document.html(_title(card), sections(card))


def sections(card: Card) -> list[Section]:
    """What a card says, in the order in which it is read.

    Raises
    ------
    CardError
        If a field is empty.
    """
    check_complete(card)
    return [
        Section(FRENCH_TITLE, (Paragraph(card.summary_fr, "fr"),), "fr"),
        _identity(card),
        _use(card),
        _data(card),
        _features(card),
        _method(card),
        _performance(card),
        _deciding(card),
        _fairness(card),
        _explanation(card),
        Section("Limits", (Bullets(card.limits),)),
        Section("Monitoring", (Bullets(card.monitoring),)),
        _approval(card),
        Section("Packages", (_pairs("Versions", ("Package", "Version"), card.packages),)),
    ]


def _title(card: Card) -> str:
    return f"Model card: {card.identity.name}, version {card.identity.version}"


def _identity(card: Card) -> Section:
    it = card.identity
    known = {
        "Name": it.name,
        "Version": it.version,
        "Feature set": it.feature_set_version,
        "Made on": it.created,
        "Owner": it.owner,
        "Approval": card.approval.by,
    }
    return Section("Model", (_pairs("Which model this is", ("Field", "Value"), known),))


def _use(card: Card) -> Section:
    use = card.use
    return Section(
        "Use",
        (
            Paragraph(use.purpose),
            Paragraph(f"For whom: {use.users}"),
            Paragraph("Not for:"),
            Bullets(use.out_of_scope),
        ),
    )


def _data(card: Card) -> Section:
    data = card.data
    known = {
        "Source": data.source,
        "SHA-256 of the tables": data.digest,
        "Applicants with a known outcome": f"{data.applicants:,}",
        "Of these learnt from": f"{data.development:,}",
        "Of these held out": f"{data.held_out:,}",
        "Default rate": _percent(data.default_rate),
        "Held out are": data.split,
    }
    return Section(
        "Data", (_pairs("What it was trained and measured on", ("Field", "Value"), known),)
    )


def _features(card: Card) -> Section:
    features = card.features
    by_table = {name: str(count) for name, count in features.by_table.items()}
    return Section(
        "Features",
        (
            Paragraph(
                f"{features.count} features. Left out as protected or as giving a protected "
                f"attribute away: {_listed(features.left_out)}."
            ),
            _pairs("Features by table", ("Table", "Features"), by_table),
        ),
    )


def _method(card: Card) -> Section:
    method = card.method
    known = {
        "Family": method.family,
        "Resampling": method.resampling,
        "Selection of features": method.selection,
        "Calibration": method.calibration,
        "Configurations tried": str(method.configurations),
        "Why this one": method.choice,
    }
    families = tuple(
        (
            f"{item.name} (chosen)" if item.chosen else item.name,
            _number(item.auc),
            _number(item.business_cost),
            _number(item.brier),
        )
        for item in method.families
    )
    parameters = {name: str(value) for name, value in method.parameters.items()}
    return Section(
        "Method",
        (
            _pairs("How it was made", ("Step", "Choice"), known),
            Table(
                "Families in cross-validation",
                ("Family", "AUC", "Cost an applicant", "Brier score"),
                families,
            ),
            _pairs("Parameters of the trees", ("Parameter", "Value"), parameters),
        ),
    )


def _performance(card: Card) -> Section:
    rows = tuple(
        (_NAMES.get(item.name, item.name.replace("_", " ")), *_interval_cells(item))
        for item in card.holdout
    )
    folds = {
        _NAMES.get(name, name.replace("_", " ")): _number(value)
        for name, value in card.cross_validation.items()
    }
    return Section(
        "Performance",
        (
            Table(
                "On held-out applicants, with 95% bootstrap intervals",
                ("Figure", "Value", "Low", "High"),
                rows,
            ),
            _pairs("In cross-validation on the others", ("Figure", "Value"), folds),
        ),
    )


def _deciding(card: Card) -> Section:
    rule = card.deciding
    best = rule.best_cutoff
    band = (
        f"PDs from {rule.refer_low:.4f} to {rule.refer_high:.4f} are referred to an officer: "
        f"{_percent(rule.referred)} of the held-out applicants."
        if rule.refer_low < rule.refer_high
        else "No application is referred to an officer."
    )
    return Section(
        "Decision",
        (
            Paragraph(
                f"An accepted default costs {rule.false_negative:g}, a refused good applicant "
                f"{rule.false_positive:g}. Applications with a PD above {rule.cutoff:.4f} are "
                f"refused. The cut-off of least cost on applicants not seen is {best.value:.4f} "
                f"(95% interval {best.low:.4f} to {best.high:.4f})."
            ),
            Paragraph(band),
            Paragraph(rule.money),
        ),
    )


def _fairness(card: Card) -> Section:
    found = card.fairness
    groups = tuple(
        (
            f"{item.attribute}: {item.group}",
            f"{item.applicants:,}",
            f"{item.defaults:,}",
            _range(item.accepted),
            _range(item.defaults_refused),
            _range(item.good_refused),
            _range(item.calibration_gap),
        )
        for item in found.groups
    )
    ratios = tuple(
        (
            item.attribute,
            item.least,
            item.most,
            *_interval_cells(item.ratio),
            _four_fifths(item.ratio),
        )
        for item in found.ratios
    )
    proxy = found.proxy_auc
    return Section(
        "Fairness",
        (
            Table(
                "Held-out applicants by group, with 95% bootstrap intervals",
                ("Group", "Applicants", "Defaults", "Accepted", "Defaults refused",
                 "Good applicants refused", "Default rate minus mean PD"),
                groups,
            ),
            Paragraph(f"Groups too small to compare: {found.small_groups}."),
            Table(
                "Four-fifths rule: lowest acceptance rate over the highest",
                ("Attribute", "Least accepted", "Most accepted", "Ratio", "Low", "High", "Rule"),
                ratios,
            ),
            Paragraph(
                "How well sex can be told from the features that the model uses: AUC "
                f"{proxy.value:.3f} (95% interval {proxy.low:.3f} to {proxy.high:.3f}; 0.5 is not "
                "at all)."
            ),
            Paragraph(found.price),
        ),
    )  # fmt: skip


def _explanation(card: Card) -> Section:
    rows = tuple((item.feature, item.meaning, _number(item.pull)) for item in card.drivers)
    header = ("Feature", "Meaning", "Mean absolute pull on the log-odds")
    return Section("What it leans on", (Table("The strongest features", header, rows),))


def _approval(card: Card) -> Section:
    given = card.approval
    known = {"By": given.by, "Why": given.why, "When": given.at, "Verdict": given.verdict}
    table = _pairs("Who made it the champion", ("Field", "Value"), known)
    return Section("Approval", (table, Bullets(given.gates)))


def _pairs(caption: str, header: tuple[str, str], pairs: Mapping[str, str]) -> Table:
    return Table(caption, header, tuple(pairs.items()))


def _interval_cells(figure: Figure) -> tuple[str, str, str]:
    return _number(figure.value), _number(figure.low), _number(figure.high)


def _range(figure: Figure) -> str:
    return f"{_percent(figure.value)} ({_percent(figure.low)} to {_percent(figure.high)})"


def _four_fifths(ratio: Figure) -> str:
    return "kept" if ratio.value >= FOUR_FIFTHS else "broken: alert"


def _number(value: float) -> str:
    return f"{value:.4f}"


def _percent(value: float) -> str:
    text = f"{value:.1%}"
    return "0.0%" if text == "-0.0%" else text


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
