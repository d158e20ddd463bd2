"""Damage to documents: values of mappings and lists of JSON or YAML, and the headers of safetensors."""

from __future__ import annotations

import copy
import json
import random
import struct
from typing import Any

from safetensors.torch import load

from atnn.archives import encode

DEEP, WIDE = "@deep@", "@wide@"  # spelled out in the text, because json itself cannot write so deep a value
VALUES = (
    *(None, True, False, 0, -1, 1, 2**31, 10**9, 2**70, 1.5, -0.5, 1e300, float("nan"), float("inf"), "", "x", "é🜁"),
    *([], {}, [[]], [None], ["x"], {"x": 1}, {"name": "x"}, [0] * 1000, [10**9, 10**9], "nan", "1", "../x", DEEP, WIDE),
)


def damage_document(rng: random.Random, document: Any) -> tuple[Any, str]:
    """A copy of the document in which one place is damaged, and what was done."""
    document = copy.deepcopy(document)
    places = _list_places(document)
    if not places or rng.random() < 0.05:
        return rng.choice(VALUES), "replace document"
    owner, key = rng.choice(places)
    action = rng.choice(("replace", "replace", "replace", "drop", "rename", "repeat", "extra", "exchange"))
    if action == "drop":
        del owner[key]
    elif action == "rename" and isinstance(owner, dict):
        owner[rng.choice((f"{key}x", f" {key}", str(key).upper(), ""))] = owner.pop(key)
    elif action == "repeat" and isinstance(owner, list):
        owner.insert(key, owner[key])
    elif action == "extra" and isinstance(owner, dict):
        owner["surprise"] = rng.choice(VALUES)
    elif action == "exchange":
        other, place = rng.choice(places)
        owner[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(owner[key])
    else:
        action, owner[key] = "replace", rng.choice(VALUES)
    return document, f"{action} {key!r}"[:60]


def write_json(document: Any) -> str:
    """The text of a document, with the values that json cannot write."""
    text = json.dumps(document)
    return text.replace(f'"{DEEP}"', "[" * 20_000 + "]" * 20_000).replace(f'"{WIDE}"', f'"{"w" * 10**6}"')


def damage_json(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """A JSON file in which one value is damaged."""
    document, name = damage_document(rng, json.loads(content))
    text = write_json(document)
    if rng.random() < 0.05 and text.startswith('{"'):
        key = text[1 : text.index(":")]
        return ("{" + key + ": 1, " + text[1:]).encode(), f"twice {key}"
    return text.encode(), name


def damage_header(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """A safetensors file whose header, JSON inside of it, or length of the header is damaged; the rest fits."""
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    inner = [key for key, text in header.get("__metadata__", {}).items() if text[:1] in "{["]
    if rng.random() < 0.05:
        return struct.pack("<Q", rng.choice((0, 1, 2**31, 2**62, size - 1, size + 1))) + content[8:], "header length"
    if inner and rng.random() < 0.6:
        key = rng.choice(inner)
        lines = header["__metadata__"][key].split("\n")  # of which some are JSON
        at = rng.choice([index for index, line in enumerate(lines) if line[:1] in ("{", "[")])
        document, name = damage_document(rng, json.loads(lines[at]))
        lines[at] = write_json(document)
        header["__metadata__"][key] = "\n".join(lines)
        name = f"metadata: {name}"
    else:
        header, name = damage_document(rng, header)
        name = f"tensors: {name}"
    text = write_json(header).encode()
    return struct.pack("<Q", len(text)) + text + data, name


def damage_sealed(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """An archive of atnn whose header is damaged and sealed anew, as by a program that writes the format wrongly."""
    size = struct.unpack("<Q", content[:8])[0]
    words = json.loads(content[8 : 8 + size])["__metadata__"]["atnn"].split("\n")[0]
    document, name = damage_document(rng, json.loads(words))
    if not isinstance(document, dict) or "@" in json.dumps(document):  # what encode cannot write
        return damage_header(rng, content)
    return encode(document, load(content)), f"sealed: {name}"


def damage_numbers(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """A safetensors file with a number of its tensors replaced: NaN, infinite, huge, zero."""
    size = struct.unpack("<Q", content[:8])[0]
    start = 8 + size
    if len(content) - start < 8:
        return content + b"\0", "append"
    value = rng.choice((float("nan"), float("inf"), -1e30, 0.0, 1e-30))
    kind, width = rng.choice((("<f", 4), ("<d", 8)))
    at = start + width * rng.randrange((len(content) - start) // width)
    return content[:at] + struct.pack(kind, value) + content[at + width :], f"number {value}"


def _list_places(document: Any) -> list[tuple[Any, Any]]:
    found = []
    if isinstance(document, dict):
        found = [(document, key) for key in document]
    elif isinstance(document, list):
        found = [(document, index) for index in range(len(document))][:50]
    return found + [place for owner, key in found for place in _list_places(owner[key])]
