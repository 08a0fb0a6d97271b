"""Measurements of the running service, each against something measured in the same run."""
