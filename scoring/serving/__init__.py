"""Models as they are served: scores, contributions, reasons."""
