"""How soon alerts see a change."""
