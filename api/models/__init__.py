"""Models loaded, watched, swapped, routed, archived."""
