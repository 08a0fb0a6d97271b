"""Versions of models in MLflow: gates, promotion, provenance, lineage."""
