"""Evaluation of models: figures, intervals, costs, fairness, leakage, explanation.

The same parameters mean the same in all of its functions:

target : array-like of shape (applicants,)
    Outcomes, 1 for a default, 0 else.
pds : array-like of shape (applicants,)
    Probabilities of default, of a model that has not seen the applicants.
cutoff : float
    Applicants with a PD above it are refused.
costs : Costs
    What the two mistakes cost.
resamples, seed : int
    Of the bootstrap, stratified by outcome; same seed, same intervals of 95 %.
features : polars.DataFrame
    A row an applicant, as `build_features` makes it.
"""
