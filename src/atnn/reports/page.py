"""The page: HTML around sections. Style sheet, plotly and 3D viewer are inside, each once and only if needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files

import atnn
from atnn.reports.exhibit import Exhibit, KeyNumber, Section, Table, View3D
from atnn.reports.spelling import flatten, format_value

# With this the browser itself refuses to load anything from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)


def render(
    title: str,
    subtitle: str,
    numbers: Sequence[KeyNumber],
    sections: Sequence[Section],
    provenance: Mapping[str, object],
) -> str:
    """The whole page as HTML text; the arguments are those of :class:`atnn.reports.Report`."""
    named = {f"section-{k + 1}": section for k, section in enumerate(sections)}
    contents = "".join(f'<li><a href="#{name}">{escape(section.title)}</a></li>' for name, section in named.items())
    body = "".join(_section(name, section) for name, section in named.items())
    written = datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{_asset("page.css")}</style></head><body>'
        '<a class="skip" href="#content">Skip to the content</a><div class="layout">'
        f'<nav aria-label="Contents"><p class="brand">atnn</p><ol>{contents}</ol></nav><main id="content">'
        f'<header><h1>{escape(title)}</h1><p class="subtitle">{escape(subtitle)}</p></header>'
        f"{_cards(numbers)}{body}"
        f"<footer>{_provenance(provenance)}<p>Written by atnn {atnn.__version__} on {written}. "
        "This file is complete in itself: it loads nothing from the network.</p></footer>"
        f"</main></div>{_scripts(sections)}</body></html>\n"
    )


def _section(name: str, section: Section) -> str:
    body = "".join(_exhibit(f"{name}-{k + 1}", exhibit) for k, exhibit in enumerate(section.exhibits))
    text = "".join(f"<p>{escape(part)}</p>" for part in section.text.split("\n\n") if part.strip())
    return f'<section id="{name}"><h2>{escape(section.title)}</h2>{text}{body}</section>'


def _exhibit(name: str, exhibit: Exhibit) -> str:
    parts = []
    if exhibit.figure is not None:
        label = escape(exhibit.caption or "Figure", quote=True)
        height = int(exhibit.figure.layout.height or 400)
        parts.append(
            f'<div class="plot" id="{name}" role="img" aria-label="{label}" style="min-height:{height}px"></div>'
            f'<script type="application/json" data-plot="{name}">{_escape_json(exhibit.figure.to_json())}</script>'
        )
    if exhibit.view is not None:
        parts.append(_view(name, exhibit.view))
    caption = f"<figcaption>{escape(exhibit.caption)}</figcaption>" if exhibit.caption else ""
    pictured = bool(parts)
    if pictured:
        parts = [f"<figure>{''.join(parts)}{caption}</figure>"]
    if exhibit.table is not None:
        table = _table(exhibit.table)
        parts.append(f"<details><summary>Numbers</summary>{table}</details>" if pictured else table + caption)
    return "".join(parts)


def _view(name: str, view: View3D) -> str:
    legend = "".join(
        f'<li><span class="swatch" style="background:{escape(color, quote=True)}"></span>{escape(symbol)}</li>'
        for symbol, color in view.elements.items()
    )
    choices = "".join(f"<option>{escape(motion.label)}</option>" for motion in view.motions)
    choice = f'<select class="motion" aria-label="Mode">{choices}</select>' if choices else ""
    data = view._asdict() | {"motions": [motion.moves for motion in view.motions]}
    return (
        f'<div class="viewer" id="{name}"><div class="stage" role="img" aria-label="{escape(view.label, quote=True)}">'
        '</div><div class="controls"><button type="button" class="play" aria-label="Play or pause">Pause</button>'
        f'{choice}<input type="range" class="frame" min="0" max="{len(view.times) - 1}" value="0" aria-label="Frame">'
        f'<output class="time"></output></div><ul class="legend" aria-label="Element colors">{legend}</ul></div>'
        f'<script type="application/json" data-view="{name}">{_escape_json(json.dumps(data))}</script>'
    )


def _table(table: Table) -> str:
    numeric = [
        all(row[k] is None or (hasattr(row[k], "__float__") and not isinstance(row[k], str)) for row in table.rows)
        for k in range(len(table.columns))
    ]
    kinds = ["number" if n and table.rows else "text" for n in numeric]
    head = "".join(
        f'<th scope="col" class="{kind}">{escape(name)}</th>' for kind, name in zip(kinds, table.columns, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{escape(format_value(v))}</td>' for kind, v in zip(kinds, row, strict=True))
        + "</tr>"
        for row in table.rows
    )
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    body = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table">{body}</div>'


def _cards(numbers: Sequence[KeyNumber]) -> str:
    if not numbers:
        return ""
    return f'<div class="cards">{"".join(map(_card, numbers))}</div>'


def _card(number: KeyNumber) -> str:
    verdict, target = "", ""
    if number.target is not None:
        verdict = "pass" if number.passed else "fail"
        sign, word = ("≤" if number.better == "lower" else "≥"), ("met" if number.passed else "missed")
        mark = "✓" if number.passed else "✗"
        target = f'<p class="target">{mark} target {sign} {escape(format_value(number.target))} {word}</p>'
    unit = f' <span class="unit">{escape(number.unit)}</span>' if number.unit else ""
    return (
        f'<div class="card {verdict}"><p class="name">{escape(number.name)}</p>'
        f'<p class="value">{escape(format_value(number.value))}{unit}</p>{target}</div>'
    )


def _provenance(values: Mapping[str, object]) -> str:
    if not values:
        return ""
    rows = list(flatten(values))
    return f"<h2>How it was made</h2>{_table(Table(['name', 'value'], rows))}"


def _scripts(sections: Sequence[Section]) -> str:
    exhibits = [exhibit for section in sections for exhibit in section.exhibits]
    scripts = []
    if any(exhibit.figure is not None for exhibit in exhibits):
        from plotly.offline import get_plotlyjs

        scripts.append(get_plotlyjs())
    if any(exhibit.view is not None for exhibit in exhibits):
        scripts.append(f"/*\n{_asset('3Dmol-LICENSE.txt')}\n*/\n{_asset('3Dmol-min.js')}")
    return "".join(f"<script>{script}</script>" for script in [*scripts, _asset("page.js")])


def _asset(name: str) -> str:
    return files("atnn.reports").joinpath(name).read_text(encoding="utf-8")


def _escape_json(content: str) -> str:
    # Only "<" could end the script element that holds the text, and JSON may write it escaped.
    return content.replace("<", "\\u003c")
