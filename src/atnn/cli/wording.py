"""Words of the package as the command line says them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_TAG = re.compile(r"(?=\[[a-z#/@])")
_PAIRS = re.compile(r"\b(units|keys)=\{([^{}]*)\}")
_ITEM = re.compile(r"""["'](\w+)["']\s*:\s*(?:"([^"]*)"|'([^']*)'|(\w+|\.\.\.))""")
_FORMAT = re.compile(r"\bformat=(?:'([^']*)'|\"([^\"]*)\")?")


def escape(text: str) -> str:
    """Keep brackets, such as those of ``[fs]``, from being read as markup."""
    return _TAG.sub(r"\\", text)  # rich.markup.escape does the same, but importing rich delays every help


def rephrase(text: str, parameters: Iterable[str]) -> str:
    """Say arguments of Python as a command takes them: as options, or in its YAML file.

    Args:
        text: Remedy or warning, e.g. ``declare units={"energy": "hartree"}``.
        parameters: Names of the parameters of the command.

    >>> rephrase('declare units={"energy": "hartree", "length": "bohr"}', ["files", "unit"])
    'declare --unit energy=hartree --unit length=bohr'
    """
    if "config" in parameters:
        changed = _PAIRS.sub(
            lambda found: f"{found[1]}: {{{', '.join(map(': '.join, _items(found[2], 'null')))}}}", text
        )
        changed = _FORMAT.sub(lambda found: f"format: {found[1] or found[2] or ''}".rstrip(), changed)
        return changed if changed == text else f"{changed}\n   (under `data:` of the configuration)"
    changed = _PAIRS.sub(
        lambda found: " ".join(f"--{found[1][:-1]} {name}={value}" for name, value in _items(found[2], "")), text
    )
    changed = _FORMAT.sub(lambda found: f"--format {found[1] or found[2] or ''}".rstrip(), changed)
    if changed == text or "unit" in parameters:
        return changed
    return f"{changed}\n   (options of `atnn data convert`, which writes a file without such doubts)"


def _items(text: str, nothing: str) -> list[tuple[str, str]]:
    found = _ITEM.findall(text)
    return [(name, a or b or (nothing if other == "None" else other)) for name, a, b, other in found]
