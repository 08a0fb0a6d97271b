"""Families of models: one module each, found by being here.

To add one, write a module with a subclass of `base.Model`; training, search, registry and service
take it up by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from scoring.serving.families.base import Model


@cache
def families() -> Mapping[str, type[Model]]:
    """Every family by its name, in alphabetical order."""
    for module in iter_modules(__path__, f"{__name__}."):
        import_module(module.name)
    return MappingProxyType({each.name: each for each in sorted(Model.__subclasses__(), key=_name)})


@cache
def file_names() -> frozenset[str]:
    """The names of the files that models of any family consist of."""
    return frozenset(name for family in families().values() for name in family.file_names)


def _name(family: type[Model]) -> str:
    return family.name
