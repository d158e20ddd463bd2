"""Importers make a model of this package from the checkpoint of another. They run no code of a file."""

from atnn.imports.spookynet import import_spookynet

__all__ = ["import_spookynet"]
