"""Kaggle's tables: read, checked, kept as datasets."""
