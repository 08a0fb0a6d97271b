"""The talk about the project: slides in French, from the figures and pictures of the last run.

slides/*.toml say what stands on them, with {figures} and names. figures.py reads what the run left,
evidence.py takes what commands and servers show, names.py gathers what slides may name. deck.py
builds a slide of its text (content.py fills it in) and of drawing.py's and charts.py's kinds.
"""
