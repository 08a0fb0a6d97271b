"""The words of the credit history: each table's rows, its filters and its measures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from scoring.features.wording.grammar import Entry, Measure, Rows, Text, WordingError, compose


@dataclass(frozen=True)
class Section:
    r"""The words of one table.

    Attributes
    ----------
    noun : str
        Its rows in French, in the plural, without article.
    filters : mapping of str to Rows
        The rows that a filter leaves. A name may be a pattern with one number in it:
        "last(\d+)" for the last so many rows, "{n}" in the words standing for the number.
    measures : mapping of str to Measure
        What is measured.
    """

    noun: str
    filters: Mapping[str, Rows]
    measures: Mapping[str, Measure]


def entry(prefix: str, measure: str, name: str, function: str) -> Entry:
    """The words of `prefix__measure__name__function`.

    Raises
    ------
    WordingError
        Naming the part that has no words.
    """
    section = SECTIONS.get(prefix)
    if section is None:
        raise WordingError(f"the table {prefix!r} has no words")
    words = section.measures.get(measure)
    if words is None:
        raise WordingError(f"the measure {measure!r} of {prefix!r} has no words")
    section = SECTIONS[words.rows] if words.rows else section
    return compose(words, _rows(section, words.rows or prefix, name), function, section.noun)


def _rows(section: Section, prefix: str, name: str) -> Rows:
    for pattern, rows in section.filters.items():
        match = re.fullmatch(pattern, name)
        if match and match.groups():
            number = match.group(1)
            return Rows(rows.en.replace("{n}", number), rows.fr.replace("{n}", number))
        if match:
            return rows
    raise WordingError(f"the filter {name!r} of {prefix!r} has no words")


def _amount(en: str, fr: str, gender: str = "m", **more: Entry) -> Measure:
    return _quantity(en, fr, gender, "amount", **more)


def _percent(en: str, fr: str, gender: str = "m", **more: Entry) -> Measure:
    return _quantity(en, fr, gender, "percent", **more)


def _number(en: str, fr: str, gender: str = "m", **more: Entry) -> Measure:
    return _quantity(en, fr, gender, "number", **more)


def _days(en: str, fr: str, gender: str = "m", **more: Entry) -> Measure:
    return _quantity(en, fr, gender, "days", **more)


def _quantity(en: str, fr: str, gender: str, unit: str, **more: Entry) -> Measure:
    return Measure(en, fr, "f" if gender == "f" else "m", unit, special=more)


def _date(en: str, fr: str, unit: str = "date", counts: bool = False) -> Measure:
    return Measure(en, fr, "f", unit, "date", counts)


def _plan(en: str, fr: str) -> Measure:
    return Measure(en, fr, "f", "date", "plan")


def _flag(en: str, fr: str, rows: str = "", single: tuple[str, str] = ("", "")) -> Measure:
    return Measure(en, fr, kind="flag", rows=rows, single=Text(*single))


def _phrase(en: str, fr: str, unit: str) -> Measure:
    return Measure(en, fr, unit=unit, kind="phrase")


_BUREAU_FILTERS = {
    "all": Rows("loans with other lenders", "les crédits chez d'autres prêteurs"),
    "active": Rows("open loans with other lenders", "les crédits en cours chez d'autres prêteurs"),
    "closed": Rows("closed loans with other lenders", "les crédits soldés chez d'autres prêteurs"),
    "consumer": Rows(
        "consumer loans with other lenders",
        "les crédits à la consommation chez d'autres prêteurs",
    ),
    "card": Rows("credit cards from other lenders", "les cartes de crédit d'autres prêteurs"),
    "car": Rows("car loans with other lenders", "les crédits automobiles chez d'autres prêteurs"),
    "mortgage": Rows("mortgages with other lenders", "les prêts immobiliers d'autres prêteurs"),
    "microloan": Rows("microloans with other lenders", "les microcrédits chez d'autres prêteurs"),
    "active_consumer": Rows(
        "open consumer loans with other lenders",
        "les crédits à la consommation en cours chez d'autres prêteurs",
    ),
    "active_card": Rows(
        "open credit cards from other lenders",
        "les cartes de crédit en cours chez d'autres prêteurs",
    ),
    r"(\d+)m": Rows(
        "loans taken out with other lenders in the last {n} months",
        "les crédits souscrits ailleurs au cours des {n} derniers mois",
    ),
    "last": Rows("the latest loan with another lender", "le dernier crédit chez un autre prêteur"),
    r"last(\d+)": Rows(
        "the last {n} loans with other lenders", "les {n} derniers crédits chez d'autres prêteurs"
    ),
}

_BUREAU = Section(
    "crédits",
    _BUREAU_FILTERS,
    {
        "DAYS_CREDIT": _date("opening date", "date d'ouverture", counts=True),
        "CREDIT_DAY_OVERDUE": _days("current delay on {rows}", "retard|actuel sur {rows}"),
        "DAYS_CREDIT_ENDDATE": _plan("planned end date", "date de fin prévue"),
        "DAYS_ENDDATE_FACT": _date("actual closing date", "date de clôture effective"),
        "DAYS_CREDIT_UPDATE": _date(
            "date of the credit bureau's last report", "date de dernière déclaration"
        ),
        "CNT_CREDIT_PROLONG": _number(
            "number of extensions of {rows}", "nombre|de prolongations {de}"
        ),
        "TERM": Measure("planned term of {rows}", "durée|prévue {de}", "f", "span"),
        "DAYS_CLOSED_EARLY": Measure(
            "lead of the closing over the planned end of {rows}",
            "avance|de la clôture sur la fin prévue {de}", "f", "days",
        ),
        "AMT_CREDIT_MAX_OVERDUE": _amount(
            "peak overdue amount on {rows}", "montant|des pires impayés sur {rows}"
        ),
        "AMT_CREDIT_SUM": _amount("amount of {rows}", "montant|{de}"),
        "AMT_CREDIT_SUM_DEBT": _amount(
            "debt still owed on {rows}", "dette|restant due sur {rows}", "f"
        ),
        "AMT_CREDIT_SUM_LIMIT": _amount("credit limit on {rows}", "plafond|autorisé sur {rows}"),
        "AMT_ANNUITY": _amount("instalment on {rows}", "mensualité|{de}", "f"),
        "CREDIT_MINUS_DEBT": _amount(
            "amount already repaid or still available on {rows}",
            "montant|déjà remboursé ou encore disponible sur {rows}",
        ),
        "DEBT_PER_MONTH": _amount(
            "debt to repay each month on {rows}", "dette|à rembourser par mois sur {rows}", "f",
        ),
        "DAYS_BETWEEN": _days(
            "time from one loan to the next among {rows}",
            "délai|d'un crédit au suivant parmi {rows}",
        ),
        "DEBT_TO_CREDIT": _percent(
            "share of the amount borrowed still owed on {rows}",
            "part|du montant emprunté restant due sur {rows}", "f",
        ),
        "ANNUITY_TO_CREDIT": _percent(
            "instalment relative to the amount of {rows}",
            "mensualité|rapportée au montant {de}", "f",
        ),
        "IS_ACTIVE": _flag(
            "that are still open", "qui courent encore", single=("is still open", "court encore")
        ),
        "EVER_OVERDUE": _flag("that were ever overdue", "qui ont déjà connu un impayé"),
        "HAS_FUTURE_END": _flag(
            "that end after this application", "qui s'achèvent après cette demande"
        ),
        "SHARE": _phrase(
            "Share of {rows} among all loans elsewhere",
            "part {de} dans l'ensemble des crédits extérieurs",
            "percent",
        ),
    },
)  # fmt: skip

_MONTHLY = "followed month by month"
_MOIS = "suivis mois par mois"

_BUREAU_BALANCE = Section(
    "crédits",
    {
        "all": Rows(f"loans elsewhere {_MONTHLY}", f"les crédits extérieurs {_MOIS}"),
        "active": Rows(
            f"open loans elsewhere {_MONTHLY}", f"les crédits extérieurs en cours {_MOIS}"
        ),
        "closed": Rows(
            f"closed loans elsewhere {_MONTHLY}", f"les crédits extérieurs soldés {_MOIS}"
        ),
        r"(\d+)y": Rows(
            f"loans elsewhere taken out in the last {{n}} years and {_MONTHLY}",
            f"les crédits extérieurs souscrits depuis {{n}} ans et {_MOIS}",
        ),
    },
    {
        "MONTHS": Measure(
            "number of months on record for {rows}", "nombre|de mois connus pour {rows}",
            counts=True,
        ),
        "WORST_STATUS": _number(
            "severity of the worst delay (0 to 5) on {rows}",
            "gravité|du pire retard (de 0 à 5) sur {rows}", "f",
        ),
        "WORST_STATUS_YEAR": _number(
            "severity of the worst delay (0 to 5) of the last 12 months on {rows}",
            "gravité|du pire retard (de 0 à 5) des 12 derniers mois sur {rows}", "f",
        ),
        "LATE_MONTHS": _number(
            "number of late months on {rows}", "nombre|de mois de retard sur {rows}",
            share=Entry(
                Text(
                    "share of late months among the months known for {rows}",
                    "part des mois de retard parmi les mois connus pour {rows}",
                ),
                "percent",
            ),
        ),
        "KNOWN_MONTHS": _number(
            "number of months with a known status for {rows}",
            "nombre|de mois de situation connue pour {rows}",
        ),
        "LAST_LATE_MONTH": _date("last late payment date", "date de dernier retard", "months_ago"),
    },
)  # fmt: skip

_PREVIOUS_FILTERS = {
    "all": Rows("earlier applications with this lender", "les demandes antérieures"),
    "approved": Rows("approved earlier applications", "les demandes antérieures acceptées"),
    "refused": Rows("refused earlier applications", "les demandes antérieures refusées"),
    "running": Rows(
        "earlier loans with this lender still being repaid",
        "les crédits antérieurs encore en remboursement",
    ),
    "cash": Rows(
        "earlier applications for a cash loan", "les demandes antérieures de prêt personnel"
    ),
    "pos": Rows(
        "earlier applications for a loan in a shop",
        "les demandes antérieures de crédit en magasin",
    ),
    "last": Rows("the latest earlier application", "la dernière demande antérieure"),
    r"last(\d+)": Rows(
        "the last {n} earlier applications", "les {n} dernières demandes antérieures"
    ),
    r"first(\d+)": Rows(
        "the first {n} earlier applications", "les {n} premières demandes antérieures"
    ),
    r"(\d+)m": Rows(
        "earlier applications decided in the last {n} months",
        "les demandes traitées au cours des {n} derniers mois",
    ),
}

_PREVIOUS = Section(
    "demandes",
    _PREVIOUS_FILTERS,
    {
        "DAYS_DECISION": _date("decision date", "date de décision", counts=True),
        "AMT_ANNUITY": _amount("instalment of {rows}", "mensualité|{de}", "f"),
        "AMT_APPLICATION": _amount("amount asked for in {rows}", "montant|demandé dans {rows}"),
        "AMT_CREDIT": _amount("amount of credit of {rows}", "montant|du crédit {de}"),
        "RATE_DOWN_PAYMENT": _percent("down payment rate of {rows}", "taux|d'apport {de}"),
        "CNT_PAYMENT": _number("number of instalments of {rows}", "nombre|de mensualités {de}"),
        "HOUR_APPR_PROCESS_START": _quantity(
            "time of day of {rows}", "heure|de dépôt {de}", "f", "hour"
        ),
        "SELLERPLACE_AREA": _number(
            "size of the shop of {rows}", "taille|du point de vente {de}", "f"
        ),
        "DAYS_FIRST_DRAWING": _plan("first drawing date", "date de premier retrait"),
        "DAYS_FIRST_DUE": _plan("first due date", "date de première échéance"),
        "DAYS_LAST_DUE_1ST_VERSION": _plan(
            "originally planned last due date", "date initialement prévue de dernière échéance"
        ),
        "DAYS_LAST_DUE": _plan("last due date", "date de dernière échéance"),
        "DAYS_ENDED_EARLY": _days(
            "lead of the end over the original plan of {rows}",
            "avance|de la fin sur le plan initial {de}", "f",
        ),
        "APPLICATION_TO_CREDIT": _percent(
            "ratio of the amount asked for to the credit of {rows}",
            "rapport|du montant demandé au crédit {de}",
        ),
        "CREDIT_TO_ANNUITY": _number(
            "ratio of credit to instalment of {rows}",
            "rapport|du crédit à la mensualité {de}",
        ),
        "REPAID_TO_CREDIT": _percent(
            "ratio of all instalments together to the credit of {rows}",
            "rapport|du total des mensualités au crédit {de}",
        ),
        "YEARLY_RATE": _percent(
            "yearly interest rate of {rows}", "taux|d'intérêt annuel {de}"
        ),
        "AMT_CUT": _amount(
            "amount asked for less the credit of {rows}",
            "écart|entre le montant demandé et le crédit {de}",
        ),
        "IS_CASH_LOAN": _flag("made for a cash loan", "portant sur un prêt personnel"),
        "IS_CROSS_SOLD": _flag(
            "made upon an offer from the lender", "déposées sur proposition du prêteur"
        ),
        "AT_AGENT": _flag("made through an agent", "déposées auprès d'un agent"),
        "BY_PHONE": _flag("made by phone", "déposées par téléphone"),
        "FOR_PHONE": _flag("made to buy a phone", "déposées pour acheter un téléphone"),
        "HAS_COMPANY": _flag("made in company", "déposées en étant accompagné"),
        "PAYS_AT_BANK": _flag("to be repaid at the bank", "à rembourser à la banque"),
        "IS_APPROVED": _flag("that were approved", "qui ont été acceptées"),
        "IS_REFUSED": _flag("that were refused", "qui ont été refusées"),
        "IS_CANCELED": _flag("that were cancelled", "qui ont été annulées"),
        "IS_UNUSED": _flag("whose offer was not used", "dont l'offre n'a pas été utilisée"),
        "IS_RUNNING": _flag("whose loan is still being repaid", "dont le crédit court encore"),
        "IS_INSURED": _flag("with insurance", "avec assurance"),
        "IS_WALK_IN": _flag("made without an offer from the lender", "déposées spontanément"),
        "IS_HIGH_YIELD": _flag("with a high interest rate", "à taux d'intérêt élevé"),
        "IS_LOW_YIELD": _flag("with a low interest rate", "à taux d'intérêt bas"),
        "REJECTED_BY_SCORE": _flag("refused because of their score", "refusées d'après leur score"),
        "REJECTED_BY_HC": _flag("refused by the lender's rules", "refusées par règle du prêteur"),
        "REJECTED_BY_LIMIT": _flag("refused because of a limit", "refusées pour plafond atteint"),
    },
)  # fmt: skip

_POS_CASH = Section(
    "relevés",
    {
        "all": Rows(
            "monthly loan statements with this lender", "les relevés mensuels de prêt chez nous"
        ),
        r"(\d+)m": Rows(
            "monthly loan statements of the last {n} months",
            "les relevés de prêt des {n} derniers mois",
        ),
        "last": Rows("the latest loan statement", "le dernier relevé de prêt"),
        r"last(\d+)": Rows("the last {n} loan statements", "les {n} derniers relevés de prêt"),
    },
    {
        "MONTHS_BALANCE": _date("date", "date", "months_ago", counts=True),
        "CNT_INSTALMENT": _number(
            "number of instalments planned on {rows}", "nombre|de mensualités prévues sur {rows}"
        ),
        "CNT_INSTALMENT_FUTURE": _number(
            "number of instalments left on {rows}", "nombre|de mensualités restantes sur {rows}"
        ),
        "SK_DPD": _days("delay shown on {rows}", "retard|constaté sur {rows}"),
        "FUTURE_TO_TOTAL": _percent(
            "share of instalments left on {rows}", "part|de mensualités restantes sur {rows}", "f"
        ),
        "IS_LATE": _flag("that show a delay", "qui présentent un retard"),
        "IS_LATE_TOLERATED": _flag(
            "that show a delay, small debts ignored",
            "qui présentent un retard (hors petites dettes)",
        ),
        "IS_COMPLETED": _flag("that show a loan repaid in full", "qui indiquent un prêt soldé"),
        "IS_ACTIVE": _flag("that show a loan being repaid", "qui indiquent un prêt en cours"),
        "LATE_MONTH": _date("late payment date", "date de retard", "months_ago"),
        "LOAN_MONTHS": Measure(
            "number of months on record for {rows}", "nombre|de mois connus pour {rows}",
            counts=True, rows="pos_cash loans",
        ),
        "LOAN_LATE_MONTHS": Measure(
            "number of late months of {rows}", "nombre|de mois de retard {de}",
            rows="pos_cash loans",
        ),
        "LOAN_REMAINING_TO_PLANNED": Measure(
            "share of the planned instalments left on {rows}",
            "part|des mensualités prévues restant sur {rows}", "f", "percent",
            rows="pos_cash loans",
        ),
        "LOAN_COMPLETED": _flag(
            "that were repaid in full", "qui ont été soldés", "pos_cash loans",
            ("was repaid in full", "a été soldé"),
        ),
    },
)  # fmt: skip

_POS_CASH_LOANS = Section(
    "prêts",
    {
        "all": Rows("instalment loans with this lender", "les prêts échelonnés chez nous"),
        "last": Rows("the latest instalment loan", "le dernier prêt échelonné"),
        r"last(\d+)": Rows("the last {n} instalment loans", "les {n} derniers prêts échelonnés"),
    },
    {},
)

_INSTALLMENTS_FILTERS = {
    "all": Rows("instalments due on earlier loans", "les échéances des crédits antérieurs"),
    "365d": Rows(
        "instalments due in the last 12 months", "les échéances des 12 derniers mois"
    ),
    "730d": Rows(
        "instalments due in the last 24 months", "les échéances des 24 derniers mois"
    ),
    r"(\d+)d": Rows("instalments due in the last {n} days", "les échéances des {n} derniers jours"),
    r"last(\d+)": Rows("the last {n} instalments due", "les {n} dernières échéances"),
    "lastloan": Rows("instalments of the latest loan", "les échéances du dernier crédit"),
    "late": Rows("instalments paid late", "les échéances payées en retard"),
}  # fmt: skip

_INSTALLMENTS = Section(
    "échéances",
    _INSTALLMENTS_FILTERS,
    {
        "DAYS_INSTALMENT": _date("due date", "date d'échéance", counts=True),
        "DAYS_ENTRY_PAYMENT": _date("payment date", "date de paiement"),
        "NUM_INSTALMENT_VERSION": _number(
            "number of the repayment plan of {rows}", "numéro|du plan de remboursement {de}"
        ),
        "NUM_INSTALMENT_NUMBER": _number(
            "rank within its loan of {rows}", "rang|dans le crédit {de}"
        ),
        "AMT_INSTALMENT": _amount("amount due for {rows}", "montant|dû pour {rows}"),
        "AMT_PAYMENT": _amount("amount paid for {rows}", "montant|payé pour {rows}"),
        "DAYS_LATE": _days("delay in the payment of {rows}", "retard|de paiement {de}"),
        "DAYS_EARLY": _days(
            "lead of the payment over the due date of {rows}", "avance|de paiement {de}", "f"
        ),
        "AMT_SHORT": _amount("amount left unpaid on {rows}", "montant|resté impayé sur {rows}"),
        "AMT_OVER": _amount(
            "amount paid beyond what was due for {rows}", "montant|payé en trop pour {rows}"
        ),
        "PAID_TO_DUE": _percent(
            "share paid of the amount due for {rows}", "part|payée du montant dû pour {rows}", "f"
        ),
        "IS_LATE": _flag("that were paid late", "qui ont été payées en retard"),
        "IS_LATE_WEEK": _flag(
            "that were paid more than a week late",
            "qui ont été payées avec plus d'une semaine de retard",
        ),
        "IS_SHORT": _flag("that were not paid in full", "qui n'ont pas été payées en entier"),
    },
)

_CARD = Section(
    "relevés",
    {
        "all": Rows("monthly statements of our credit cards", "les relevés de nos cartes"),
        r"(\d+)m": Rows(
            "card statements of the last {n} months", "les relevés de carte des {n} derniers mois"
        ),
        "last": Rows("the latest card statement", "le dernier relevé de carte"),
        r"last(\d+)": Rows("the last {n} card statements", "les {n} derniers relevés de carte"),
    },
    {
        "MONTHS_BALANCE": _date("date", "date", "months_ago", counts=True),
        "AMT_BALANCE": _amount("balance owed on {rows}", "solde|dû sur {rows}"),
        "AMT_CREDIT_LIMIT_ACTUAL": _amount("credit limit on {rows}", "plafond|sur {rows}"),
        "AMT_DRAWINGS_ATM_CURRENT": _amount(
            "cash withdrawn on {rows}", "montant|retiré en espèces sur {rows}"
        ),
        "AMT_DRAWINGS_POS_CURRENT": _amount(
            "amount spent in shops on {rows}", "montant|dépensé en magasin sur {rows}"
        ),
        "AMT_PAYMENT_CURRENT": _amount("payment made on {rows}", "versement|effectué sur {rows}"),
        "CNT_DRAWINGS_ATM_CURRENT": _number(
            "number of cash withdrawals on {rows}", "nombre|de retraits d'espèces sur {rows}"
        ),
        "SK_DPD": _days("delay shown on {rows}", "retard|constaté sur {rows}"),
        "BALANCE_TO_LIMIT": _percent(
            "share of the credit limit owed on {rows}", "part|du plafond due sur {rows}", "f"
        ),
        "DRAWINGS_TO_LIMIT": _percent(
            "share of the credit limit drawn on {rows}", "part|du plafond utilisée sur {rows}", "f"
        ),
        "ATM_TO_LIMIT": _percent(
            "share of the credit limit withdrawn in cash on {rows}",
            "part|du plafond retirée en espèces sur {rows}", "f",
        ),
        "PAID_TO_MINIMUM": _percent(
            "payment relative to the minimum due on {rows}",
            "versement|rapporté au minimum exigé sur {rows}",
        ),
        "PAID_TO_BALANCE": _percent(
            "payment relative to the balance owed on {rows}",
            "versement|rapporté au solde dû sur {rows}",
        ),
        "IS_LATE_TOLERATED": _flag(
            "that show a delay, small debts ignored",
            "qui présentent un retard (hors petites dettes)",
        ),
        "IS_OVER_LIMIT": _flag("above the credit limit", "au-dessus du plafond"),
        "IS_USED": _flag("that show a drawing", "qui indiquent une utilisation"),
        "LATE_MONTH": _date("late payment date", "date de retard", "months_ago"),
        "DRAWN_MINUS_PAID": _amount(
            "amount drawn less the payment made on {rows}",
            "montant|utilisé moins le versement effectué sur {rows}",
        ),
        "BALANCE_TREND": _phrase(
            "Card balance of the last 3 statements relative to that of the last 12 months",
            "solde de carte des 3 derniers relevés rapporté à celui des 12 derniers mois",
            "percent",
        ),
    },
)  # fmt: skip

_LOAN = Section(
    "prêts",
    {
        "running": Rows("loans with this lender being repaid", "les prêts en cours chez nous"),
        "last": Rows("the latest loan with this lender", "le dernier prêt chez nous"),
        r"last(\d+)": Rows(
            "the last {n} loans with this lender", "les {n} derniers prêts chez nous"
        ),
    },
    {
        "REMAINING_PAYMENTS": _number(
            "number of instalments left on {rows}", "nombre|de mensualités restantes sur {rows}"
        ),
        "REMAINING_DEBT": _amount(
            "debt still owed on {rows}", "dette|restant due sur {rows}", "f"
        ),
        "REMAINING_TO_CREDIT": _percent(
            "share of the credit still owed on {rows}", "part|du crédit restant due sur {rows}",
            "f",
        ),
        "PAID_TO_CREDIT": _percent(
            "share of the credit already paid back on {rows}",
            "part|du crédit déjà remboursée sur {rows}", "f",
        ),
        "CREDIT_MINUS_PAID": _amount(
            "credit not yet paid back on {rows}", "crédit|pas encore remboursé sur {rows}"
        ),
        "EVER_LATE": _flag(
            "that were ever late", "qui ont déjà connu un retard",
            single=("was ever late", "a déjà connu un retard"),
        ),
    },
)  # fmt: skip

SECTIONS: Mapping[str, Section] = {
    "bureau": _BUREAU,
    "bureau_balance": _BUREAU_BALANCE,
    "previous": _PREVIOUS,
    "pos_cash": _POS_CASH,
    "pos_cash loans": _POS_CASH_LOANS,
    "installments": _INSTALLMENTS,
    "card": _CARD,
    "loan": _LOAN,
}
