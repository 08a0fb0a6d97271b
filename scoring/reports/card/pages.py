"""A model card as Markdown and as one HTML file: two views of the same sections."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime

import polars as pl
from matplotlib.figure import Figure

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.fairness import FOUR_FIFTHS
from scoring.features import PROTECTED
from scoring.language import catalogue
from scoring.reports import document, plots
from scoring.reports.card.fields import (
    AUTOMATIC,
    NOT_APPROVED,
    Card,
    Fairness,
    Group,
    Ratio,
    check_complete,
)
from scoring.reports.document import READ_IN, Block, Bullets, Paragraph, Picture, Section
from scoring.reports.words import Words

# Of the strongest features, how many the summary tells.
_TOLD_DRIVERS = 3
_PLACEHOLDER = re.compile(r"\{([^}:]*):?([^}]*)\}")
_DAY = "d MMMM y"
_SMALL_GROUP = re.compile(r"(sex|age|family status):? ([^,]+) \((\d+)\)")
_FIGURE = re.compile(r"[+\u2212-]?[\d,.]*\d%?")


def markdown(card: Card) -> str:
    """Write the card as GitHub-flavoured Markdown, in English after a summary in French.

    Raises
    ------
    CardError
        If a field is empty.
    """
    content = sections(card)
    return document.markdown(_title(card, "en"), [_summary(card, Words("card", "fr")), *content])


def html(card: Card, *languages: str) -> str:
    """Write the card as one HTML file that loads nothing, in some languages, by default all.

    Raises
    ------
    CardError
        If a field is empty.
    """
    return document.in_languages(
        [
            document.Page(_title(card, language), sections(card, language), language)
            for language in languages or READ_IN
        ]
    )


def _title(card: Card, language: str) -> str:
    return Words("card", language)("title", identity=card.identity)


def sections(card: Card, language: str = "en") -> list[Section]:
    """Return what a card says, in reading order; a `CardError` if a field is empty."""
    check_complete(card)
    words = Words("card", language)
    limit = words(f"limits.{'synthetic' if card.data.source == 'synthetic' else 'real'}")
    return [
        _summary(card, words),
        _identity(card, words),
        _use(words),
        _data(card, words),
        _features(card, words),
        _method(card, words),
        _performance(card, words),
        _deciding(card, words),
        _fairness(card, words),
        _drivers(card, words),
        Section(words("limits.title"), (Bullets((limit, *words.lines("limits.always"))),)),
        Section(words("monitoring.title"), (Bullets(words.lines("monitoring.always")),)),
        _approval(card, words),
        Section(words("packages.title"), (words.table("packages", card.packages.items()),)),
    ]


def retold(text: str, words: Words) -> str:
    """Say in a language what a training or a gate said in English, where the catalogue has it."""
    return " ".join(_sentence_in_words(kept, words) for kept in re.split(r"(?<=\.) ", text))


def _sentence_in_words(kept: str, words: Words) -> str:
    for key, english in catalogue("en", "card")["making"].items():
        # The split leaves a placeholder's name and form between what stands around it.
        around = _PLACEHOLDER.split(english)
        match = re.fullmatch("(.+?)".join(map(re.escape, around[::3])), kept)
        told = match.groups() if match else ()
        # Where a figure is to stand, nothing else is meant.
        if match and all(
            _FIGURE.fullmatch(one) for one, form in zip(told, around[2::3], strict=True) if form
        ):
            values = dict(zip(around[1::3], told, strict=True))
            return _PLACEHOLDER.sub(
                lambda place: words.written(_value(values[place[1]], words), place[2]),  # noqa: B023
                catalogue(words.language, "card")["making"][key],
            )
    return kept


def _value(kept: str, words: Words) -> float | str:
    """Read a figure as English writes it; anything else is a family, a gate's, or itself."""
    if not _FIGURE.fullmatch(kept):
        return ", ".join(_name(name, words) for name in kept.split(", "))
    figure = kept.replace("\u2212", "-").replace(",", "")
    if figure.endswith("%"):
        return float(figure[:-1]) / 100
    return int(figure) if figure.isdigit() else float(figure)


def _name(kept: str, words: Words) -> str:
    family = words.named("families", kept)
    return words.named("gates", kept) if family == kept else family


def _summary(card: Card, words: Words) -> Section:
    """Say in a few sentences what the model does, how well, how fairly, and what it looks at."""
    figures = {figure.name: figure for figure in card.holdout}
    rule, language = card.deciding, words.language
    real = words("summary.invented" if card.data.source == "synthetic" else "summary.real")
    sentences = [words("summary.learning", data=card.data, people=real)]
    if {"auc", "business_cost", "ece"} <= figures.keys():
        error = 100 * figures["ece"].value
        points = words("summary.points" if error >= 2 else "summary.point")
        auc, cost = figures["auc"], figures["business_cost"]
        sentences.append(words("summary.figures", auc=auc, cost=cost, error=error, points=points))
    ratio = round(rule.false_negative / rule.false_positive, 1)
    sentences.append(words("summary.rule", ratio=ratio, cutoff=rule.cutoff))
    if rule.refer_low != rule.refer_high:
        sentences.append(words("summary.band", low=rule.refer_low, high=rule.refer_high))
    leading = (plots.column_text(item.feature, language) for item in card.drivers[:_TOLD_DRIVERS])
    drivers = words("summary.between").join(each[:1].lower() + each[1:] for each in leading)
    used = PROTECTED.difference(card.features.left_out)
    entering = words(
        f"summary.{'protected' if used else 'unprotected'}", auc=card.fairness.proxy_auc
    )
    sentences += [
        words("summary.drivers", drivers=drivers),
        entering,
        *(_gap(ratio, words) for ratio in card.fairness.ratios if ratio.attribute == "age"),
        words("summary.person"),
    ]
    return Section(words("summary_title"), (Bullets(tuple(sentences)),))


def _gap(ratio: Ratio, words: Words) -> str:
    rule = words("summary.kept" if ratio.ratio.value >= FOUR_FIFTHS else "summary.broken")
    least, most = (words.named("groups", group) for group in (ratio.least, ratio.most))
    return words("summary.gap", least=least, most=most, ratio=ratio.ratio, rule=rule)


def _approver(card: Card, words: Words) -> str:
    """Name the person who approved the model; nobody did where it was promoted by itself."""
    by = card.approval.by
    if by == NOT_APPROVED:
        return words("approval.nobody")
    return words("approval.by_itself", by=retold(by, words)) if by in AUTOMATIC else by


def _identity(card: Card, words: Words) -> Section:
    known = vars(card.identity) | {
        "created": words.written(date.fromisoformat(card.identity.created), _DAY),
        "owner": retold(card.identity.owner, words),
        "approval": _approver(card, words),
    }
    return Section(words("model.title"), (words.pairs("model", known),))


def _use(words: Words) -> Section:
    blocks = (
        Paragraph(words("use.purpose")),
        Paragraph(words("use.for_whom")),
        Paragraph(words("use.not_for")),
        Bullets(words.lines("use.out_of_scope")),
    )
    return Section(words("use.title"), blocks)


def _data(card: Card, words: Words) -> Section:
    data = card.data
    known = {
        "source": words.named("sources", data.source),
        "digest": data.digest,
        "applicants": words.written(data.applicants, ","),
        "development": words.written(data.development, ","),
        "held_out": words.written(data.held_out, ","),
        "default_rate": words.written(data.default_rate, ".1%"),
        "split": retold(data.split, words),
        "looked_at": words.written(data.looked_at, ","),
    }
    return Section(words("data.title"), (words.pairs("data", known),))


def _features(card: Card, words: Words) -> Section:
    features = card.features
    left_out = ", ".join(
        plots.column_text(retold(name, words), words.language) for name in features.left_out
    )
    rows = ((words.named("tables", name), str(count)) for name, count in features.by_table.items())
    sentence = Paragraph(words("features.count", count=features.count, left_out=left_out))
    return Section(words("features.title"), (sentence, words.table("features", rows)))


def _method(card: Card, words: Words) -> Section:
    method = card.method
    tables = ("parameters", "families")
    known = {
        name: retold(str(value), words)
        for name, value in vars(method).items()
        if name not in tables
    }
    families = (
        (
            words("method.chosen", name=name) if family.chosen else name,
            *words.cells(".4f", family.auc, family.business_cost, family.brier),
        )
        for family in method.families
        for name in [words.named("families", family.name)]
    )
    parameters = (
        (
            name,
            words.named("switches", str(value))
            if isinstance(value, bool)
            else words.written(value, ""),
        )
        for name, value in method.parameters.items()
    )
    known["family"] = words.named("families", method.family)
    known["calibration"] = words("making.calibration")
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
    blocks: tuple[Block, ...] = (
        *_picture("performance.ranking", plots.card_ranking(card.curves, words.language), words),
        *_picture(
            "performance.calibration", plots.card_calibration(card.curves, words.language), words
        ),
        words.table("performance.holdout", holdout),
        words.table("performance.folds", folds),
    )
    return Section(words("performance.title"), blocks)


def _picture(key: str, figure: Figure | None, words: Words) -> Iterator[Block]:
    if figure is not None:
        yield Picture(plots.svg(figure), words(f"{key}.picture"))


def _deciding(card: Card, words: Words) -> Section:
    rule = card.deciding
    band = words("decision.no_band")
    if rule.refer_low < rule.refer_high:
        band = words("decision.band", rule=rule)
    blocks: tuple[Block, ...] = (
        Paragraph(words("decision.rule", rule=rule)),
        Paragraph(band),
        *_picture("decision", plots.card_costs(card.curves, rule.cutoff, words.language), words),
        Paragraph(retold(rule.money, words)),
    )
    return Section(words("decision.title"), blocks)


def _fairness(card: Card, words: Words) -> Section:
    fairness = card.fairness
    small = _SMALL_GROUP.sub(lambda kept: _small_group(kept, words), fairness.small_groups)
    blocks = (
        *_groups(fairness.groups, words),
        Paragraph(words("fairness.small_groups", groups=retold(small, words))),
        _ratios(fairness, words),
        Paragraph(words("fairness.proxy", auc=fairness.proxy_auc)),
        Paragraph(retold(fairness.price, words)),
    )
    return Section(words("fairness.title"), blocks)


def _groups(groups: Sequence[Group], words: Words) -> Iterator[Block]:
    if not groups:
        return
    rates = pl.DataFrame(
        [
            {"attribute": group.attribute, "group": group.group, "n": group.applicants}
            | Interval(*group.accepted[1:]).columns("acceptance_rate")
            for group in groups
        ]
    )
    figure = plots.fairness(rates.with_columns(small=False), language=words.language)
    yield from _picture("fairness", figure, words)
    yield words.table("fairness.groups", (_group(group, words) for group in groups))


def _ratios(fairness: Fairness, words: Words) -> Block:
    if fairness.ratios:
        return words.table("fairness.ratios", (_ratio(ratio, words) for ratio in fairness.ratios))
    nobody = fairness.groups and all(group.accepted.value == 0 for group in fairness.groups)
    return Paragraph(words(f"fairness.{'nobody' if nobody else 'few'}"))


def _small_group(kept: re.Match[str], words: Words) -> str:
    attribute, group, number = kept.groups()
    attribute, group = (words.named("groups", name) for name in (attribute, group))
    return words("groups.size", attribute=attribute, group=group, number=int(number))


def _group(group: Group, words: Words) -> tuple[str, ...]:
    shares = group.accepted, group.defaults_refused, group.good_refused, group.calibration_gap
    return (
        words(
            "groups.of",
            attribute=words.named("groups", group.attribute),
            group=words.named("groups", group.group),
        ),
        *words.cells(",", group.applicants, group.defaults),
        *(words.interval(share[1:], ".1%") for share in shares),
    )


def _ratio(ratio: Ratio, words: Words) -> tuple[str, ...]:
    kept = ratio.ratio.value >= FOUR_FIFTHS
    return (
        *(words.named("groups", name) for name in (ratio.attribute, ratio.least, ratio.most)),
        *words.cells(".4f", *ratio.ratio[1:]),
        words("fairness.kept" if kept else "fairness.broken"),
    )


def _drivers(card: Card, words: Words) -> Section:
    rows = (
        (
            driver.feature,
            plots.column_text(driver.feature, words.language),
            *words.cells(".4f", driver.pull),
        )
        for driver in card.drivers
    )
    return Section(words("drivers.title"), (words.table("drivers", rows),))


def _approval(card: Card, words: Words) -> Section:
    given, by = card.approval, _approver(card, words)
    if given.by == NOT_APPROVED:
        return Section(words("approval.title"), (Paragraph(by),))
    why, verdict = (retold(text, words) for text in (given.why, given.verdict))
    when = words.written(datetime.fromisoformat(given.at), f"{_DAY} HH:mm 'UTC'")
    known = {"by": by, "why": why, "when": when, "verdict": verdict}
    gates = Bullets(tuple(_gate(kept, words) for kept in given.gates))
    return Section(words("approval.title"), (words.pairs("approval", known), gates))


def _gate(kept: str, words: Words) -> str:
    """Say a gate's name and what it said, which a card keeps as one English line."""
    name, between, sentence = kept.partition(": ")
    if not between:
        return kept
    return words("approval.gate", name=words.named("gates", name), says=retold(sentence, words))
