"""The words of the application: Kaggle's own columns and the features made of them."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.features.wording.grammar import Entry, Text, WordingError

# Unit, English, French. Kaggle's HomeCredit_columns_description.csv says what the columns hold.
_COLUMNS: Mapping[str, tuple[str, str, str]] = {
    "NAME_CONTRACT_TYPE": ("category", "Type of loan asked for", "Type de crédit demandé"),
    "CODE_GENDER": ("category", "Sex of the applicant", "Sexe du demandeur"),
    "FLAG_OWN_CAR": ("yes_no", "Owns a car", "Possède une voiture"),
    "FLAG_OWN_REALTY": ("yes_no", "Owns a house or flat", "Possède un logement"),
    "CNT_CHILDREN": ("whole", "Number of children", "Nombre d'enfants"),
    "AMT_INCOME_TOTAL": ("amount", "Income of the applicant", "Revenu du demandeur"),
    "AMT_CREDIT": ("amount", "Amount of the loan asked for", "Montant du crédit demandé"),
    "AMT_ANNUITY": ("amount", "Instalment of the loan asked for", "Mensualité du crédit demandé"),
    "AMT_GOODS_PRICE": (
        "amount", "Price of the goods to be financed", "Prix des biens à financer",
    ),
    "NAME_TYPE_SUITE": (
        "category", "Who came along to apply", "Personne accompagnant le demandeur",
    ),
    "NAME_INCOME_TYPE": ("category", "Source of income", "Source de revenu"),
    "NAME_EDUCATION_TYPE": ("category", "Education", "Niveau d'études"),
    "NAME_FAMILY_STATUS": ("category", "Family status", "Situation de famille"),
    "NAME_HOUSING_TYPE": ("category", "Housing", "Logement"),
    "REGION_POPULATION_RELATIVE": (
        "number", "Population of the region of residence, relative to the country",
        "Population relative de la région de résidence",
    ),
    "DAYS_BIRTH": ("span_back", "Age of the applicant", "Âge du demandeur"),
    "DAYS_EMPLOYED": (
        "span_back", "Time in the current employment", "Ancienneté dans l'emploi actuel",
    ),
    "DAYS_REGISTRATION": (
        "date", "Last change of the applicant's registration", "Dernier changement d'état civil",
    ),
    "DAYS_ID_PUBLISH": (
        "date", "Last change of the identity document", "Dernier changement de pièce d'identité",
    ),
    "OWN_CAR_AGE": ("years", "Age of the car", "Âge de la voiture"),
    "FLAG_MOBIL": ("yes_no", "Gave a mobile number", "A indiqué un numéro de mobile"),
    "FLAG_EMP_PHONE": (
        "yes_no", "Gave the employer's phone number", "A indiqué le téléphone de l'employeur",
    ),
    "FLAG_WORK_PHONE": (
        "yes_no", "Gave a phone number at work", "A indiqué un téléphone professionnel",
    ),
    "FLAG_CONT_MOBILE": (
        "yes_no", "Can be reached by mobile", "Joignable sur son mobile",
    ),
    "FLAG_PHONE": ("yes_no", "Gave a home phone number", "A indiqué un téléphone fixe"),
    "FLAG_EMAIL": ("yes_no", "Gave an e-mail address", "A indiqué une adresse électronique"),
    "OCCUPATION_TYPE": ("category", "Occupation", "Profession"),
    "CNT_FAM_MEMBERS": ("whole", "Number of family members", "Nombre de membres du foyer"),
    "REGION_RATING_CLIENT": (
        "whole", "The lender's rating (1 to 3) of the region of residence",
        "Note de la région de résidence (de 1 à 3) selon le prêteur",
    ),
    "REGION_RATING_CLIENT_W_CITY": (
        "whole", "The lender's rating (1 to 3) of the region of residence, with its city",
        "Note de la région de résidence (de 1 à 3), ville comprise, selon le prêteur",
    ),
    "WEEKDAY_APPR_PROCESS_START": (
        "category", "Weekday of the application", "Jour de la semaine de la demande",
    ),
    "HOUR_APPR_PROCESS_START": ("hour", "Time of day of the application", "Heure de la demande"),
    "REG_REGION_NOT_LIVE_REGION": (
        "yes_no", "Registered address and contact address in different regions",
        "Adresse officielle et adresse de contact dans des régions différentes",
    ),
    "REG_REGION_NOT_WORK_REGION": (
        "yes_no", "Registered address and workplace in different regions",
        "Adresse officielle et lieu de travail dans des régions différentes",
    ),
    "LIVE_REGION_NOT_WORK_REGION": (
        "yes_no", "Contact address and workplace in different regions",
        "Adresse de contact et lieu de travail dans des régions différentes",
    ),
    "REG_CITY_NOT_LIVE_CITY": (
        "yes_no", "Registered address and contact address in different cities",
        "Adresse officielle et adresse de contact dans des villes différentes",
    ),
    "REG_CITY_NOT_WORK_CITY": (
        "yes_no", "Registered address and workplace in different cities",
        "Adresse officielle et lieu de travail dans des villes différentes",
    ),
    "LIVE_CITY_NOT_WORK_CITY": (
        "yes_no", "Contact address and workplace in different cities",
        "Adresse de contact et lieu de travail dans des villes différentes",
    ),
    "ORGANIZATION_TYPE": ("category", "Kind of employer", "Secteur de l'employeur"),
    "EXT_SOURCE_1": (
        "scale", "Score from external source 1", "Note de la source externe n° 1",
    ),
    "EXT_SOURCE_2": (
        "scale", "Score from external source 2", "Note de la source externe n° 2",
    ),
    "EXT_SOURCE_3": (
        "scale", "Score from external source 3", "Note de la source externe n° 3",
    ),
    "FONDKAPREMONT_MODE": (
        "category", "Fund for repairs of the applicant's building",
        "Fonds de travaux de l'immeuble du demandeur",
    ),
    "HOUSETYPE_MODE": (
        "category", "Type of the applicant's building", "Type d'immeuble du demandeur",
    ),
    "TOTALAREA_MODE": (
        "share", "Total area of the applicant's building (0 to 1)",
        "Surface totale de l'immeuble du demandeur (de 0 à 1)",
    ),
    "WALLSMATERIAL_MODE": (
        "category", "Walls of the applicant's building", "Murs de l'immeuble du demandeur",
    ),
    "EMERGENCYSTATE_MODE": (
        "yes_no", "The applicant's building is in an emergency state",
        "Immeuble du demandeur en état d'urgence",
    ),
    "OBS_30_CNT_SOCIAL_CIRCLE": (
        "whole", "People around the applicant whose payments are watched (30 days late)",
        "Proches du demandeur dont les paiements sont observés (30 jours de retard)",
    ),
    "DEF_30_CNT_SOCIAL_CIRCLE": (
        "whole", "People around the applicant more than 30 days late",
        "Proches du demandeur en retard de plus de 30 jours",
    ),
    "OBS_60_CNT_SOCIAL_CIRCLE": (
        "whole", "People around the applicant whose payments are watched (60 days late)",
        "Proches du demandeur dont les paiements sont observés (60 jours de retard)",
    ),
    "DEF_60_CNT_SOCIAL_CIRCLE": (
        "whole", "People around the applicant more than 60 days late",
        "Proches du demandeur en retard de plus de 60 jours",
    ),
    "DAYS_LAST_PHONE_CHANGE": ("date", "Last change of phone", "Dernier changement de téléphone"),
}  # fmt: skip

_ENQUIRIES: Mapping[str, tuple[str, str]] = {
    "HOUR": ("in the last hour", "dans la dernière heure"),
    "DAY": ("in the last day, but for its last hour", "dans la dernière journée, hors heure"),
    "WEEK": ("in the last week, but for its last day", "dans la dernière semaine, hors jour"),
    "MON": ("in the last month, but for its last week", "dans le dernier mois, hors semaine"),
    "QRT": ("in the last quarter, but for its last month", "dans le dernier trimestre, hors mois"),
    "YEAR": (
        "in the last year, but for its last quarter", "dans la dernière année, hors trimestre",
    ),
}  # fmt: skip

_BUILDING: Mapping[str, tuple[str, str]] = {
    "APARTMENTS": ("flats", "appartements"),
    "BASEMENTAREA": ("cellar area", "surface des caves"),
    "YEARS_BEGINEXPLUATATION": ("years in use", "années d'utilisation"),
    "YEARS_BUILD": ("year of construction", "année de construction"),
    "COMMONAREA": ("shared area", "surface commune"),
    "ELEVATORS": ("lifts", "ascenseurs"),
    "ENTRANCES": ("entrances", "entrées"),
    "FLOORSMAX": ("highest number of floors", "nombre maximal d'étages"),
    "FLOORSMIN": ("lowest number of floors", "nombre minimal d'étages"),
    "LANDAREA": ("land area", "surface du terrain"),
    "LIVINGAPARTMENTS": ("flats lived in", "appartements habités"),
    "LIVINGAREA": ("living area", "surface habitable"),
    "NONLIVINGAPARTMENTS": ("flats not lived in", "appartements non habités"),
    "NONLIVINGAREA": ("area not lived in", "surface non habitable"),
}
_STATISTICS: Mapping[str, tuple[str, str]] = {
    "AVG": ("average", "moyenne"),
    "MODE": ("most frequent value", "valeur la plus fréquente"),
    "MEDI": ("median", "médiane"),
}

_DERIVED: Mapping[str, tuple[str, str, str]] = {
    "EXT_SOURCES_MEAN": ("scale", "Average external score", "Note externe moyenne"),
    "EXT_SOURCES_MIN": ("scale", "Lowest external score", "Note externe la plus basse"),
    "EXT_SOURCES_MAX": ("scale", "Highest external score", "Note externe la plus haute"),
    "EXT_SOURCES_MEDIAN": ("scale", "Median external score", "Note externe médiane"),
    "EXT_SOURCES_SPREAD": (
        "number", "Spread of the external scores", "Dispersion des notes externes",
    ),
    "EXT_SOURCES_RANGE": (
        "number", "Gap between the highest and the lowest external score",
        "Écart entre la plus haute et la plus basse note externe",
    ),
    "EXT_SOURCES_PRODUCT": (
        "scale", "The three external scores combined (product)",
        "Les trois notes externes combinées (produit)",
    ),
    "EXT_SOURCES_WEIGHTED": (
        "scale", "Weighted average external score", "Note externe moyenne pondérée",
    ),
    "EXT_SOURCES_KNOWN": (
        "whole", "Number of external scores known", "Nombre de notes externes connues",
    ),
    "EXT_SOURCE_1_TIMES_2": (
        "scale", "External scores 1 and 2 combined (product)",
        "Notes externes n° 1 et n° 2 combinées (produit)",
    ),
    "EXT_SOURCE_1_TIMES_3": (
        "scale", "External scores 1 and 3 combined (product)",
        "Notes externes n° 1 et n° 3 combinées (produit)",
    ),
    "EXT_SOURCE_2_TIMES_3": (
        "scale", "External scores 2 and 3 combined (product)",
        "Notes externes n° 2 et n° 3 combinées (produit)",
    ),
    "EXT_SOURCES_FILLED": (
        "number", "Sum of the external scores, an unknown one counted as 0.5 (0 to 3)",
        "Somme des notes externes, une note inconnue comptée 0,5 (de 0 à 3)",
    ),
    "EXT_SOURCE_1_MINUS_2": (
        "signed", "External score 1 less external score 2",
        "Note externe n° 1 moins note externe n° 2",
    ),
    "EXT_SOURCE_1_MINUS_3": (
        "signed", "External score 1 less external score 3",
        "Note externe n° 1 moins note externe n° 3",
    ),
    "EXT_SOURCE_2_MINUS_3": (
        "signed", "External score 2 less external score 3",
        "Note externe n° 2 moins note externe n° 3",
    ),
    "CREDIT_TO_ANNUITY": (
        "number", "Loan asked for in instalments", "Crédit demandé en mensualités",
    ),
    "CREDIT_TO_GOODS": (
        "percent", "Loan asked for relative to the price of the goods",
        "Crédit demandé rapporté au prix des biens",
    ),
    "GOODS_MINUS_CREDIT": (
        "amount", "Price of the goods less the loan asked for",
        "Prix des biens moins le crédit demandé",
    ),
    "CREDIT_TO_INCOME": (
        "percent", "Loan asked for relative to income", "Crédit demandé rapporté au revenu",
    ),
    "ANNUITY_TO_INCOME": (
        "percent", "Instalment relative to income", "Mensualité rapportée au revenu",
    ),
    "GOODS_TO_INCOME": (
        "percent", "Price of the goods relative to income", "Prix des biens rapporté au revenu",
    ),
    "INCOME_PER_MEMBER": (
        "amount", "Income per family member", "Revenu par membre du foyer",
    ),
    "INCOME_PER_ADULT": (
        "amount", "Income per adult in the family", "Revenu par adulte du foyer",
    ),
    "CREDIT_PER_MEMBER": (
        "amount", "Loan asked for per family member", "Crédit demandé par membre du foyer",
    ),
    "CREDIT_BEYOND_GOODS_TO_INCOME": (
        "percent", "Loan asked for beyond the price of the goods, relative to income",
        "Crédit demandé au-delà du prix des biens, rapporté au revenu",
    ),
    "INCOME_MINUS_ANNUITY": (
        "amount", "Income less the instalment", "Revenu moins la mensualité",
    ),
    "CHILDREN_TO_MEMBERS": (
        "percent", "Share of children in the family", "Part d'enfants dans le foyer",
    ),
    "INCOME_TO_EMPLOYED": (
        "amount_back", "Income divided by the days in the current employment",
        "Revenu divisé par les jours d'ancienneté dans l'emploi",
    ),
    "CREDIT_TO_SCORE_3": (
        "amount", "Loan asked for divided by the external score 3",
        "Crédit demandé divisé par la note externe n° 3",
    ),
    "ANNUITY_TO_SCORE_3": (
        "amount", "Instalment divided by the external score 3",
        "Mensualité divisée par la note externe n° 3",
    ),
    "CREDIT_TO_SCORES": (
        "amount", "Loan asked for divided by the average external score",
        "Crédit demandé divisé par la note externe moyenne",
    ),
    "NOT_EMPLOYED": ("yes_no", "Without employment or retired", "Sans emploi ou à la retraite"),
    "CAR_AGE_TO_EMPLOYED": (
        "years_to_days", "Age of the car relative to the time in the current employment",
        "Âge de la voiture rapporté à l'ancienneté dans l'emploi",
    ),
    "PHONE_CHANGE_TO_EMPLOYED": (
        "percent", "Time with this phone relative to the time in the current employment",
        "Ancienneté du téléphone rapportée à l'ancienneté dans l'emploi",
    ),
    "CREDIT_TO_EMPLOYED": (
        "amount_back", "Loan asked for divided by the days in the current employment",
        "Crédit demandé divisé par les jours d'ancienneté dans l'emploi",
    ),
    "EMPLOYED_TO_ID": (
        "percent", "Time in the current employment relative to the age of the identity document",
        "Ancienneté dans l'emploi rapportée à l'âge de la pièce d'identité",
    ),
    "EMPLOYED_TO_REGISTRATION": (
        "percent", "Time in the current employment relative to the age of the registration",
        "Ancienneté dans l'emploi rapportée à celle de l'état civil",
    ),
    "PHONE_CHANGE_TO_ID": (
        "percent", "Time with this phone relative to the age of the identity document",
        "Ancienneté du téléphone rapportée à l'âge de la pièce d'identité",
    ),
    "ID_TO_REGISTRATION": (
        "percent", "Age of the identity document relative to that of the registration",
        "Âge de la pièce d'identité rapporté à celui de l'état civil",
    ),
    "DOCUMENTS": ("whole", "Number of documents supplied", "Nombre de documents fournis"),
    "CONTACTS": (
        "whole", "Number of ways to be reached that were given",
        "Nombre de moyens de contact indiqués",
    ),
    "MOVES": (
        "whole", "Number of mismatches between home, contact and work addresses",
        "Nombre d'écarts entre adresses de domicile, de contact et de travail",
    ),
    "ENQUIRIES": (
        "whole", "Number of enquiries at the credit bureau in the last year",
        "Nombre de consultations du fichier des crédits depuis un an",
    ),
    "ENQUIRIES_RECENT": (
        "whole", "Number of enquiries at the credit bureau in the last quarter",
        "Nombre de consultations du fichier des crédits depuis un trimestre",
    ),
    "OWNED": (
        "whole", "How many of a car and a home the applicant owns (0 to 2)",
        "Nombre de biens possédés, voiture et logement (de 0 à 2)",
    ),
    "HOME_MEAN": (
        "share", "Average of the known facts about the applicant's building (0 to 1)",
        "Moyenne des données connues sur l'immeuble du demandeur (de 0 à 1)",
    ),
    "HOME_MISSING": (
        "whole", "Number of facts missing about the applicant's building",
        "Nombre de données absentes sur l'immeuble du demandeur",
    ),
    "DEFAULTS_30_TO_CIRCLE": (
        "percent", "Share of the people around the applicant more than 30 days late",
        "Part des proches du demandeur en retard de plus de 30 jours",
    ),
    "DEFAULTS_60_TO_CIRCLE": (
        "percent", "Share of the people around the applicant more than 60 days late",
        "Part des proches du demandeur en retard de plus de 60 jours",
    ),
    "MISSING": (
        "whole", "Number of answers missing in the application",
        "Nombre d'informations absentes de la demande",
    ),
    "RATES_PLAUSIBLE": (
        "whole", "Number of terms at which the loan asked for has a plausible rate",
        "Nombre de durées donnant au crédit demandé un taux plausible",
    ),
    "RATE_MIN": (
        "percent", "Lowest plausible yearly rate of the loan asked for",
        "Taux annuel plausible le plus bas du crédit demandé",
    ),
    "RATE_MAX": (
        "percent", "Highest plausible yearly rate of the loan asked for",
        "Taux annuel plausible le plus haut du crédit demandé",
    ),
    "RATE_MEAN": (
        "percent", "Average plausible yearly rate of the loan asked for",
        "Taux annuel plausible moyen du crédit demandé",
    ),
    "RATE_MEDIAN": (
        "percent", "Median plausible yearly rate of the loan asked for",
        "Taux annuel plausible médian du crédit demandé",
    ),
    "RATE_TYPICAL": (
        "percent", "Plausible yearly rate of the loan asked for that is closest to the usual one",
        "Taux annuel plausible du crédit demandé le plus proche du taux habituel",
    ),
    "TERM_TYPICAL": (
        "months", "Term at which the loan asked for has a rate closest to the usual one",
        "Durée donnant au crédit demandé le taux le plus proche du taux habituel",
    ),
    "RATE_LISTED": (
        "percent", "Yearly rate of the loan asked for, by the lender's price list",
        "Taux annuel du crédit demandé d'après la grille du prêteur",
    ),
    "TERM_LISTED": (
        "months", "Term of the loan asked for, by the lender's price list",
        "Durée du crédit demandé d'après la grille du prêteur",
    ),
    "RATE_OFF_LIST": (
        "points", "Distance of the yearly rate of the loan asked for from the lender's price list",
        "Écart du taux annuel du crédit demandé à la grille du prêteur",
    ),
    "PAYMENTS_TO_CREDIT": (
        "percent", "All instalments together relative to the loan asked for",
        "Total des mensualités rapporté au crédit demandé",
    ),
    "EMPLOYED_TO_AGE": (
        "percent", "Time in the current employment relative to age",
        "Ancienneté dans l'emploi rapportée à l'âge",
    ),
    "REGISTRATION_TO_AGE": (
        "percent", "Age of the registration relative to the applicant's age",
        "Ancienneté de l'état civil rapportée à l'âge",
    ),
    "ID_TO_AGE": (
        "percent", "Age of the identity document relative to the applicant's age",
        "Âge de la pièce d'identité rapporté à l'âge",
    ),
    "PHONE_CHANGE_TO_AGE": (
        "percent", "Time with this phone relative to age",
        "Ancienneté du téléphone rapportée à l'âge",
    ),
    "CAR_AGE_TO_AGE": (
        "years_to_days", "Age of the car relative to the applicant's age",
        "Âge de la voiture rapporté à l'âge du demandeur",
    ),
    "CREDIT_TO_AGE": (
        "amount_back", "Loan asked for divided by the age in days",
        "Crédit demandé divisé par l'âge en jours",
    ),
    "INCOME_TO_AGE": (
        "amount_back", "Income divided by the age in days", "Revenu divisé par l'âge en jours",
    ),
    "SCORES_TO_AGE": (
        "number", "Average external score divided by the age in days",
        "Note externe moyenne divisée par l'âge en jours",
    ),
}  # fmt: skip


def entry(feature: str) -> Entry:
    """The words of a column of the application, or of `application__NAME`.

    Raises
    ------
    WordingError
        Naming the feature that has no words.
    """
    words = WORDS.get(feature)
    if words is None:
        raise WordingError(f"the feature {feature!r} of the application has no words")
    unit, en, fr = words
    return Entry(Text(en, fr), unit)


def _all() -> dict[str, tuple[str, str, str]]:
    words = dict(_COLUMNS)
    for number in range(2, 22):
        words[f"FLAG_DOCUMENT_{number}"] = (
            "yes_no",
            f"Supplied document number {number}",
            f"A fourni le document n° {number}",
        )
    for window, (en, fr) in _ENQUIRIES.items():
        words[f"AMT_REQ_CREDIT_BUREAU_{window}"] = (
            "whole",
            f"Enquiries at the credit bureau {en}",
            f"Consultations du fichier des crédits {fr}",
        )
    for part, (en, fr) in _BUILDING.items():
        for kind, (en_kind, fr_kind) in _STATISTICS.items():
            words[f"{part}_{kind}"] = (
                "share",
                f"Building of the applicant: {en} (0 to 1, {en_kind})",
                f"Immeuble du demandeur : {fr} (de 0 à 1, {fr_kind})",
            )
    return words | {f"application__{name}": said for name, said in _DERIVED.items()}


WORDS: Mapping[str, tuple[str, str, str]] = _all()
