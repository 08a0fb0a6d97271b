"""Evaluation of models: figures, intervals, costs, fairness, leakage, explanation."""
