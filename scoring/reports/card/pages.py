"""A model card as Markdown and as one HTML file: two views of the same sections."""

from __future__ import annotations

from scoring.evaluation.fairness import FOUR_FIFTHS
from scoring.features.wording import Language
from scoring.reports import document
from scoring.reports.card.fields import Card, Group, Ratio, check_complete
from scoring.reports.document import Bullets, Paragraph, Section
from scoring.reports.words import Words


def markdown(card: Card) -> str:
    """Write the card as GitHub-flavoured Markdown.

    Raises
    ------
    CardError
        If a field is empty.
    """
    return document.markdown(_title(card, "en"), sections(card))


def html(card: Card, language: Language = "en") -> str:
    """Write the card as one HTML file that loads nothing; its own sentences are in English.

    Raises
    ------
    CardError
        If a field is empty.
    """
    return document.html(_title(card, language), sections(card, language), language)


def _title(card: Card, language: Language) -> str:
    name, version = card.identity.name, card.identity.version
    return Words("card", language)("title", name=name, version=version)


def sections(card: Card, language: Language = "en") -> list[Section]:
    """Return what a card says, in reading order; a `CardError` if a field is empty."""
    check_complete(card)
    words = Words("card", language)
    return [
        Section(Words("card", "fr")("summary_title"), (Paragraph(card.summary_fr, "fr"),), "fr"),
        _identity(card, words),
        _use(card, words),
        _data(card, words),
        _features(card, words),
        _method(card, words),
        _performance(card, words),
        _deciding(card, words),
        _fairness(card, words),
        _drivers(card, words),
        Section(words("limits.title"), (Bullets(card.limits),)),
        Section(words("monitoring.title"), (Bullets(card.monitoring),)),
        _approval(card, words),
        Section(words("packages.title"), (words.table("packages", card.packages.items()),)),
    ]


def _identity(card: Card, words: Words) -> Section:
    known = {**vars(card.identity), "approval": card.approval.by}
    return Section(words("model.title"), (words.pairs("model", known),))


def _use(card: Card, words: Words) -> Section:
    use = card.use
    blocks = (
        Paragraph(use.purpose),
        Paragraph(words("use.for_whom", users=use.users)),
        Paragraph(words("use.not_for")),
        Bullets(use.out_of_scope),
    )
    return Section(words("use.title"), blocks)


def _data(card: Card, words: Words) -> Section:
    data = card.data
    known = {
        "source": data.source,
        "digest": data.digest,
        "applicants": words.written(data.applicants, ","),
        "development": words.written(data.development, ","),
        "held_out": words.written(data.held_out, ","),
        "default_rate": words.written(data.default_rate, ".1%"),
        "split": data.split,
    }
    return Section(words("data.title"), (words.pairs("data", known),))


def _features(card: Card, words: Words) -> Section:
    features = card.features
    left_out = ", ".join(features.left_out)
    rows = ((name, str(count)) for name, count in features.by_table.items())
    sentence = Paragraph(words("features.count", count=features.count, left_out=left_out))
    return Section(words("features.title"), (sentence, words.table("features", rows)))


def _method(card: Card, words: Words) -> Section:
    method = card.method
    tables = ("parameters", "families")
    known = {name: str(value) for name, value in vars(method).items() if name not in tables}
    families = (
        (
            words("method.chosen", name=family.name) if family.chosen else family.name,
            *words.cells(".4f", family.auc, family.business_cost, family.brier),
        )
        for family in method.families
    )
    parameters = ((name, str(value)) for name, value in method.parameters.items())
    blocks = (
        words.pairs("method", known),
        words.table("method.families", families),
        words.table("method.parameters", parameters),
    )
    return Section(words("method.title"), blocks)


def _performance(card: Card, words: Words) -> Section:
    holdout = (
        (words.named("figures", figure.name), *words.cells(".4f", *figure[1:]))
        for figure in card.holdout
    )
    folds = (
        (words.named("figures", name), words.written(value, ".4f"))
        for name, value in card.cross_validation.items()
    )
    blocks = (
        words.table("performance.holdout", holdout),
        words.table("performance.folds", folds),
    )
    return Section(words("performance.title"), blocks)


def _deciding(card: Card, words: Words) -> Section:
    rule = card.deciding
    band = words("decision.no_band")
    if rule.refer_low < rule.refer_high:
        band = words("decision.band", rule=rule)
    blocks = Paragraph(words("decision.rule", rule=rule)), Paragraph(band), Paragraph(rule.money)
    return Section(words("decision.title"), blocks)


def _fairness(card: Card, words: Words) -> Section:
    fairness = card.fairness
    blocks = (
        words.table("fairness.groups", (_group(group, words) for group in fairness.groups)),
        Paragraph(words("fairness.small_groups", groups=fairness.small_groups)),
        words.table("fairness.ratios", (_ratio(ratio, words) for ratio in fairness.ratios)),
        Paragraph(words("fairness.proxy", auc=fairness.proxy_auc)),
        Paragraph(fairness.price),
    )
    return Section(words("fairness.title"), blocks)


def _group(group: Group, words: Words) -> tuple[str, ...]:
    shares = group.accepted, group.defaults_refused, group.good_refused, group.calibration_gap
    return (
        f"{group.attribute}: {group.group}",
        *words.cells(",", group.applicants, group.defaults),
        *(words.interval(share[1:], ".1%") for share in shares),
    )


def _ratio(ratio: Ratio, words: Words) -> tuple[str, ...]:
    kept = ratio.ratio.value >= FOUR_FIFTHS
    return (
        ratio.attribute,
        ratio.least,
        ratio.most,
        *words.cells(".4f", *ratio.ratio[1:]),
        words("fairness.kept" if kept else "fairness.broken"),
    )


def _drivers(card: Card, words: Words) -> Section:
    rows = (
        (driver.feature, driver.meaning, words.written(driver.pull, ".4f"))
        for driver in card.drivers
    )
    return Section(words("drivers.title"), (words.table("drivers", rows),))


def _approval(card: Card, words: Words) -> Section:
    given = card.approval
    known = {"by": given.by, "why": given.why, "when": given.at, "verdict": given.verdict}
    return Section(words("approval.title"), (words.pairs("approval", known), Bullets(given.gates)))
