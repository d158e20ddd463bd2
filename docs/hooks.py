"""What MkDocs does beside its plugins: tables from the code, equations as MathML, Sphinx roles as plain code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from html import unescape
from importlib import import_module

from latex2mathml.converter import convert
from pydantic_core import PydanticUndefined

FIELDS = re.compile(r"^<!-- fields of (?P<module>[\w.]+)\.(?P<name>\w+) -->$", re.MULTILINE)
TABLE = re.compile(r"^<!-- table of (?P<name>\w+) -->$", re.MULTILINE)
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):\s*<code>~?(?:[\w.]+\.(?=\w+</code>))?")
EQUATION = re.compile(r'(<(?P<tag>span|div) class="arithmatex">)\\[(\[](?P<tex>.*?)\\[)\]](</(?P=tag)>)', re.DOTALL)
STYLED = re.compile(r'<mi mathvariant="(?P<style>bold|bold-italic|script)">(?P<letter>[^<]+)</mi>')
WORD = re.compile(r'(?:<mi mathvariant="normal">\w</mi>){2,}')
# How a format is recognised, in words; what recognises it is a function.
RECOGNISED = {
    "deepmd": "a folder with `type.raw` and `set.*/*.npy`",
    "qm9": "a file, folder or `.tar.bz2` of QM9 as published",
    "ocp": "`.extxyz.xz` beside `.txt.xz`, or a folder of such pairs",
    "extxyz": "`.xyz`, `.extxyz`, also as `.gz` and `.xz`",
    "npz": "`.npz`, as MD17 and rMD17 use it",
    "runner": "`.data`, as `input.data` of n2p2 and RuNNer",
    "reann": "`configuration` of the REANN and EANN codes",
    "reann-fractional": "by its name only: the same with fractional positions",
    "fireann": "`configuration` with `External_field`",
    "fireann-reversed-field": "by its name only: the same with other signs",
    "qm7x": "HDF5 with the layout of QM7-X",
    "schnetpack": "`.db` of SchNetPack",
    "lmdb": "`.lmdb`; refused",
    "ase": "everything else that ASE reads",
}


def on_page_markdown(markdown: str, **_) -> str:
    """Replace ``<!-- fields of module.Specification -->`` and ``<!-- table of quantities -->`` by tables."""
    markdown = FIELDS.sub(lambda match: _table(getattr(import_module(match["module"]), match["name"])), markdown)
    return TABLE.sub(lambda match: TABLES[match["name"]](), markdown)


def on_page_content(html: str, **_) -> str:
    """Show the last part of a cross reference as code, and equations as MathML, which needs no script."""
    return EQUATION.sub(_show_equation, ROLE.sub("<code>", html))


def _show_equation(match: re.Match) -> str:
    tex = unescape(match["tex"]).strip()
    mathml = convert(tex, display="block" if match["tag"] == "div" else "inline")
    if "\\" in mathml:
        raise ValueError(f"latex2mathml does not know a command of this equation: {tex}")
    mathml = WORD.sub(lambda word: f"<mi>{re.sub('<[^>]*>', '', word[0])}</mi>", STYLED.sub(_style_letter, mathml))
    return f"{match[1]}{mathml}{match[4]}"


def _style_letter(match: re.Match) -> str:
    """A bold letter is a character of its own, because browsers ignore the attribute."""
    letter = unescape(match["letter"])
    name = re.fullmatch(r"(?:LATIN|GREEK) (CAPITAL|SMALL) LETTER (\w+)", unicodedata.name(letter))
    style = match["style"].replace("-", " ").upper()
    return f"<mi>{unicodedata.lookup(f'MATHEMATICAL {style} {name[1]} {name[2]}') if name else letter}</mi>"


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


def _tabulate_quantities() -> str:
    from atnn.quantities import QUANTITIES

    rows = []
    for entry in QUANTITIES.values():
        shown = "" if entry.display_unit == entry.unit else f"`{entry.display_unit}`"
        cells = (f"`{entry.name}`", entry.axis, _shape(entry.shape), f"`{entry.unit}`", shown, _derivative(entry))
        rows.append((*cells, _keys(entry.keys)))
    return _rows("name", "one per", "shape", "unit", "shown to people in", "derivative", "further keys", rows=rows)


def _tabulate_stated() -> str:
    from atnn.stated import STATED
    from atnn.units import NUMBER, unit_of

    rows = []
    for name, entry in STATED.items():
        unit = "whole number" if entry.integer else "" if entry.dimension == NUMBER else f"`{unit_of(entry.dimension)}`"
        keys = _keys((entry.key, *entry.aliases))
        rows.append((entry.title, f"`{name}`", keys, _shape(entry.shape), unit))
    return _rows("what", "attribute of `Structures`", "keys in files", "shape", "unit", rows=rows)


def _tabulate_formats() -> str:
    from atnn.reading.readers import FORMATS

    rows = []
    for form in FORMATS:
        units = ", ".join(f"{name} `{unit}`" for name, unit in (form.units or {}).items())
        units = units or ("stated in the file" if form.find_units else "to be declared")
        more = "; ".join(f"{_keys(keys)} for `{name}`" for name, keys in form.aliases.items())
        rows.append((f"`{form.name}`", RECOGNISED[form.name], units, more, form.convention.partition(": ")[2]))
    return _rows("format", "recognised by", "units", "further keys", "conventions", rows=rows)


TABLES = {"quantities": _tabulate_quantities, "stated": _tabulate_stated, "formats": _tabulate_formats}


def _derivative(entry) -> str:
    if entry.derivative is None:
        return ""
    of = "dE" if entry.derivative.of == "energy" else f"d({entry.derivative.of})"
    by = "dr" if entry.derivative.by == "positions" else f"d({entry.derivative.by})"
    sign = "-" if entry.derivative.sign < 0 else "+"
    return f"`{entry.name} = {sign}{'1/V ' if entry.derivative.per_volume else ''}{of}/{by}`"


def _keys(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "number"


def _rows(*head: str, rows: Iterable[Iterable[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
