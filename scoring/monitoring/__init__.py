"""Watching a model that serves: what came in, what was decided, what came of it."""
