"""The talk about the project: slides in French, from the figures and pictures of the last run.

figures.py gathers what the run found, evidence.py what commands and servers show, deck.py draws a
slide, and problem.py, modelling.py, service.py and watching.py say what stands on which.
"""
