"""Credit scoring on the Home Credit tables: features, models, decisions."""
