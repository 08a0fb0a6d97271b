"""The addresses of the API, a module a resource.

A module has its blueprint, the models of its bodies and answers, and its endpoints; `api/app.py`
registers it by its name.
"""
