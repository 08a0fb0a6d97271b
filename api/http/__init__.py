"""What every request passes: access, limits, headers, logs, problems."""
