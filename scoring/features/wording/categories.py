"""The values of Kaggle's categories in words."""

from __future__ import annotations

from collections.abc import Mapping

# French; the English is Kaggle's own value unless ENGLISH has a plainer one.
FRENCH: Mapping[str, str] = {
    # type of loan
    "Cash loans": "prêt personnel",
    "Revolving loans": "crédit renouvelable",
    # sex, yes or no
    "F": "femme",
    "M": "homme",
    "Y": "oui",
    "N": "non",
    "Yes": "oui",
    "No": "non",
    # who came along
    "Children": "enfants",
    "Family": "famille",
    "Group of people": "groupe",
    "Other_A": "autre personne (A)",
    "Other_B": "autre personne (B)",
    "Spouse, partner": "conjoint",
    "Unaccompanied": "aucune",
    # source of income
    "Businessman": "chef d'entreprise",
    "Commercial associate": "associé commercial",
    "Maternity leave": "congé maternité",
    "Pensioner": "retraité",
    "State servant": "fonctionnaire",
    "Student": "étudiant",
    "Unemployed": "sans emploi",
    "Working": "salarié",
    # education
    "Academic degree": "diplôme universitaire supérieur",
    "Higher education": "études supérieures",
    "Incomplete higher": "études supérieures non terminées",
    "Lower secondary": "premier cycle du secondaire",
    "Secondary / secondary special": "secondaire ou professionnel",
    # family
    "Civil marriage": "union civile",
    "Married": "marié",
    "Separated": "séparé",
    "Single / not married": "célibataire",
    "Unknown": "inconnu",
    "Widow": "veuf",
    # housing
    "Co-op apartment": "appartement en coopérative",
    "House / apartment": "maison ou appartement",
    "Municipal apartment": "logement municipal",
    "Office apartment": "logement de fonction",
    "Rented apartment": "location",
    "With parents": "chez les parents",
    # weekdays
    "MONDAY": "lundi",
    "TUESDAY": "mardi",
    "WEDNESDAY": "mercredi",
    "THURSDAY": "jeudi",
    "FRIDAY": "vendredi",
    "SATURDAY": "samedi",
    "SUNDAY": "dimanche",
    # occupation
    "Accountants": "comptables",
    "Cleaning staff": "agents d'entretien",
    "Cooking staff": "cuisiniers",
    "Core staff": "employés qualifiés",
    "Drivers": "chauffeurs",
    "HR staff": "ressources humaines",
    "High skill tech staff": "techniciens très qualifiés",
    "IT staff": "informaticiens",
    "Laborers": "ouvriers",
    "Low-skill Laborers": "ouvriers peu qualifiés",
    "Managers": "cadres",
    "Medicine staff": "personnel médical",
    "Private service staff": "services aux particuliers",
    "Realty agents": "agents immobiliers",
    "Sales staff": "vendeurs",
    "Secretaries": "secrétaires",
    "Security staff": "agents de sécurité",
    "Waiters/barmen staff": "serveurs",
    # employer
    "Advertising": "publicité",
    "Agriculture": "agriculture",
    "Bank": "banque",
    **{f"Business Entity Type {i}": f"entreprise de type {i}" for i in range(1, 4)},
    "Cleaning": "nettoyage",
    "Construction": "construction",
    "Culture": "culture",
    "Electricity": "électricité",
    "Emergency": "secours",
    "Government": "administration",
    "Hotel": "hôtellerie",
    "Housing": "logement",
    **{f"Industry: type {i}": f"industrie de type {i}" for i in range(1, 14)},
    "Insurance": "assurance",
    "Kindergarten": "école maternelle",
    "Legal Services": "services juridiques",
    "Medicine": "santé",
    "Military": "armée",
    "Mobile": "téléphonie mobile",
    "Other": "autre",
    "Police": "police",
    "Postal": "poste",
    "Realtor": "immobilier",
    "Religion": "religion",
    "Restaurant": "restauration",
    "School": "enseignement",
    "Security": "sécurité privée",
    "Security Ministries": "ministères de la sécurité",
    "Self-employed": "indépendant",
    "Services": "services",
    "Telecom": "télécommunications",
    **{f"Trade: type {i}": f"commerce de type {i}" for i in range(1, 8)},
    **{f"Transport: type {i}": f"transport de type {i}" for i in range(1, 5)},
    "University": "université",
    # building
    "not specified": "non précisé",
    "org spec account": "compte spécial de l'organisme",
    "reg oper account": "compte du gestionnaire régional",
    "reg oper spec account": "compte spécial du gestionnaire régional",
    "block of flats": "immeuble collectif",
    "specific housing": "logement particulier",
    "terraced house": "maison mitoyenne",
    "Block": "blocs",
    "Mixed": "mixtes",
    "Monolithic": "béton coulé",
    "Others": "autres",
    "Panel": "panneaux",
    "Stone, brick": "pierre ou brique",
    "Wooden": "bois",
}

ENGLISH: Mapping[str, str] = {
    "F": "female",
    "M": "male",
    "Y": "yes",
    "N": "no",
    "Other_A": "another person (A)",
    "Other_B": "another person (B)",
    "Unaccompanied": "nobody",
    "Laborers": "labourers",
    "Low-skill Laborers": "low-skilled labourers",
    "HR staff": "human resources staff",
    "IT staff": "computer staff",
    **{f"Business Entity Type {i}": f"company of type {i}" for i in range(1, 4)},
    "org spec account": "special account of the organisation",
    "reg oper account": "account of the regional operator",
    "reg oper spec account": "special account of the regional operator",
}


def said(value: str, language: str) -> str:
    """A category's value in words; one that is not known is said as it is."""
    if language == "fr":
        return FRENCH.get(value, value)
    # No proper name is among Kaggle's values: all can be said in small letters.
    return ENGLISH.get(value, value.lower())
