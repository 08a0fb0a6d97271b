"""How good a model is: figures, intervals, costs, fairness, leakage, explanation."""
