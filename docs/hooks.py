"""What MkDocs does beside its plugins: tables of specification fields, and Sphinx roles in docstrings as plain code."""

from __future__ import annotations

import re
from importlib import import_module

from pydantic_core import PydanticUndefined

FIELDS = re.compile(r"^<!-- fields of (?P<module>[\w.]+)\.(?P<name>\w+) -->$", re.MULTILINE)
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):\s*<code>~?(?:[\w.]+\.(?=\w+</code>))?")


def on_page_markdown(markdown: str, **_) -> str:
    """Replace ``<!-- fields of module.Specification -->`` by a table of its keys, defaults and meanings."""
    return FIELDS.sub(lambda match: _table(getattr(import_module(match["module"]), match["name"])), markdown)


def on_page_content(html: str, **_) -> str:
    """Show the last part of a cross reference as code."""
    return ROLE.sub("<code>", html)


def _table(specification: type) -> str:
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key, field in specification.model_fields.items():
        default = field.get_default(call_default_factory=True)
        rows.append(f"| `{key}` | {_shown(default)} | {field.description or ''} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if default is PydanticUndefined:
        return "*required*"
    if hasattr(type(default), "model_fields"):
        return "see below"
    return "none" if default is None else f"`{list(default) if isinstance(default, tuple) else default}`"
