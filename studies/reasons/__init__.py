"""What the reasons of a model are worth, measured on applicants whom it has not seen."""
