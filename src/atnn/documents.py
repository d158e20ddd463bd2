"""Text and JSON from files that anybody may have written: bounded in size and depth, and UTF-8 on every machine."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import yaml

from atnn.errors import DataError, unreadable

LONGEST = 64 << 20  # bytes of a document
MOST_NODES = 100_000  # of a YAML document, aliases written out


def read_text(path: str | os.PathLike) -> str:
    """Read a text file.

    Raises:
        DataError: It cannot be read, is no UTF-8, or has more than 64 MB.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size > LONGEST:
            raise DataError(
                f"has {size / 2**20:.0f} MB, which is no text of this kind", where=str(path), remedy="give another file"
            )
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"is no UTF-8 text (byte {error.start})", where=str(path), remedy="restore an intact copy"
        ) from error


def parse_json(text: str | bytes, where: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        text: The document.
        where: File that it came from, for messages.

    Raises:
        DataError: It is no JSON, is nested too deeply, gives a key twice, or is not an object.
    """
    try:
        content = json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise DataError("JSON nested too deeply", where=where, remedy="restore an intact copy") from error
    except ValueError as error:  # of which JSON's errors, those of Unicode, and too long integers are kinds
        raise DataError(f"damaged JSON ({error})", where=where, remedy="restore an intact copy") from error
    if not isinstance(content, dict):
        raise DataError("the JSON holds no object with keys", where=where, remedy="restore an intact copy")
    return content


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """Read the JSON object of a file.

    Raises:
        DataError: The file cannot be read, or holds no object in JSON.
    """
    return parse_json(read_text(path), str(path))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)!r} is given twice")
    return found


class _Loader(yaml.SafeLoader):
    """Safe YAML with the numbers of JSON, in which 1_0, 0x10 and 1:30 are no numbers, and without repeated keys."""

    yaml_constructors = {  # noqa: RUF012  as PyYAML has it
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "bool", "int", "float", "str", "seq", "map")
    }
    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, form) for tag, form in rules if tag.rpartition(":")[2] in ("null", "bool", "merge")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else id(key_node)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        value = super().construct_scalar(node)
        if not any("\ud800" <= letter <= "\udfff" for letter in value):
            return value
        try:  # JSON writes some characters as two halves; YAML leaves them as they are
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise yaml.constructor.ConstructorError(None, None, "half of a character", node.start_mark) from error

    def make_number(self, node: yaml.ScalarNode) -> int | float:
        try:
            if re.fullmatch(r"[-+]?[0-9]+", node.value):
                return int(node.value)
            return float(re.sub(r"\.(?=[in])", "", node.value.lower()))  # .inf, .nan
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from error


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.make_number)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.make_number)


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Read keys and values of a YAML document. Nothing in it is executed.

    Raises:
        DataError: It has a syntax error (named with its line) or a duplicate key, is nested too deeply, becomes too
            large where its aliases are written out, or holds no mapping.
    """
    remedy = "see `atnn init` for an example"
    if len(text) > LONGEST // 64:
        raise DataError(f"has {len(text)} characters, which is no configuration", where=where, remedy=remedy)
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _weigh(node, {}, where)
        content = None if node is None else loader.construct_document(node)
    except RecursionError as error:
        raise DataError("YAML nested too deeply", where=where, remedy=remedy) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise DataError(problem, where=f"{where}{line}", remedy="correct the YAML syntax there") from error
    if not isinstance(content, dict):
        raise DataError("the file holds no keys", where=where, remedy=remedy)
    return content


def _weigh(node: yaml.Node, known: dict[int, int], where: str) -> int:
    """Count the nodes below a node as if every alias were written out."""
    if id(node) not in known:
        known[id(node)] = MOST_NODES  # what an alias to itself finds
        children = node.value if isinstance(node, yaml.CollectionNode) else []
        pairs = isinstance(node, yaml.MappingNode)
        known[id(node)] = 1 + sum(_weigh(n, known, where) for c in children for n in (c if pairs else [c]))
    if known[id(node)] > MOST_NODES:
        raise DataError(
            f"more than {MOST_NODES} entries", where=where, remedy="write out the aliases, and shorten what is too long"
        )
    return known[id(node)]
