"""A new model from what has happened since: when, from which rows, and whether it is better."""
