"""All kinds of step: importing them registers them, so this is done once, when they are first needed."""

from __future__ import annotations

import importlib
import pkgutil

import conformance.machines


def load() -> None:
    """Import every module `generate_*` beside this one."""
    for module in pkgutil.iter_modules(conformance.machines.__path__):
        if module.name.startswith("generate_"):
            importlib.import_module(f"conformance.machines.{module.name}")
