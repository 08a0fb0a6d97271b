"""How features are computed: formulas and aggregates, by Polars or by NumPy."""
