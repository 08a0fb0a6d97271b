"""The addresses of the API, a module a resource.

A module has its blueprint, the models of its bodies and answers, and its endpoints. It is registered
by its name in `api/app.py`.
"""
