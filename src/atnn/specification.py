"""Specifications are validated, frozen descriptions of components. They are read from YAML and stored as JSON."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from atnn.errors import SpecificationError, suggest


class Specification(BaseModel):
    """Base of every specification. Specifications are immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


S = TypeVar("S", bound=Specification)


def parse(specification: type[S], mapping: Mapping[str, Any], where: str = "", path: str = "") -> S:
    """Make the specification that a mapping describes.

    Args:
        specification: Class to fill.
        mapping: Keys and values, as YAML or JSON give them.
        where: File of the mapping, for messages.
        path: Keys that lead to the mapping, for messages.

    Raises:
        SpecificationError: A key is unknown (the message names the nearest known one), or a value has a wrong type or
            range.
    """
    try:
        return specification.model_validate(dict(mapping))
    except SpecificationError as error:  # raised by a component
        raise SpecificationError(error.what, where=where or error.where, remedy=error.remedy) from None
    except ValidationError as error:
        problems = [_describe_problem(specification, problem, path) for problem in error.errors()]
        raise SpecificationError(
            "\n".join(text for text, _ in problems),
            where=where,
            remedy="; ".join(dict.fromkeys(remedy for _, remedy in problems if remedy)),
        ) from None


def chosen_from(registry: Mapping[str, type[Specification]], what: str) -> BeforeValidator:
    """Make the validator of a field that holds the specification of a component, chosen by ``name`` from a registry.

    The registry is read at validation, so that components may be added at any time.

    Args:
        registry: Name -> class of the specification.
        what: Kind of the components with an article, for messages.
    """

    def choose(value: Any, info: Any) -> Specification:
        if isinstance(value, Specification):
            return value
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping) or given.get("name") not in registry:
            name = given.get("name") if isinstance(given, Mapping) else value
            raise SpecificationError(
                f"`{info.field_name}` = {name!r} is not the name of {what}",
                remedy=f"{suggest(name, registry)}known: {', '.join(sorted(registry))}; or import the module that registers it",
            )
        return parse(registry[given["name"]], given, path=f"{info.field_name}.{given['name']}")

    return _Choice(choose, registry=registry)


@dataclass(frozen=True)
class _Choice(BeforeValidator):
    """The validator of :func:`chosen_from`, which describes what the registry holds when it is asked."""

    registry: Mapping[str, type[Specification]] = field(default_factory=dict)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        components = self.registry.values()
        # The schema of a component has its name as a constant. Requiring it makes exactly one of them fit.
        mappings = [{**handler(kind.__pydantic_core_schema__), "required": _required(kind)} for kind in components]
        alone = sorted(name for name, kind in self.registry.items() if _required(kind) == ["name"])
        return {"anyOf": [{"type": "string", "enum": alone}, {"oneOf": mappings}]}


def _required(kind: type[Specification]) -> list[str]:
    return ["name", *(name for name, info in kind.model_fields.items() if info.is_required())]


class Names:
    """Marks strings that are names of tables, so that a JSON schema lists what these hold when it is made.

    Args:
        tables: The names, or mappings from them.
    """

    def __init__(self, *tables: Iterable[str]):
        self.tables = tables

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "enum": list(dict.fromkeys(name for table in self.tables for name in table))}


def make_json_schema(specification: type[Specification]) -> dict[str, Any]:
    """Make the JSON schema (draft 2020-12) of a specification, by which editors complete and check YAML files.

    Components are listed as the registries hold them at this moment.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **specification.model_json_schema()}


def _describe_problem(specification: type[BaseModel], problem: Mapping[str, Any], above: str) -> tuple[str, str]:
    path = ".".join(str(part) for part in (above, *problem["loc"]) if part != "")
    if problem["type"] == "extra_forbidden":
        known = _known_keys(specification, problem["loc"])
        key = str(problem["loc"][-1])
        return f"unknown key `{path}`", suggest(key, known).strip() or f"known keys: {', '.join(sorted(known))}"
    if problem["type"] == "missing":
        return f"missing key `{path}`", f"add `{problem['loc'][-1]}`"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return (
        f"`{path or specification.__name__}` = {problem['input']!r}: {message}",
        "give a value of the right type and range",
    )


def _known_keys(specification: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """List the keys that are allowed at a place."""
    candidates = [specification]
    for part in location[:-1]:
        annotations = [c.model_fields[part].annotation for c in candidates if part in c.model_fields]
        if annotations:  # otherwise the part is an index of a sequence
            candidates = [model for annotation in annotations for model in _find_models(annotation)]
    return [name for candidate in candidates for name in candidate.model_fields]


def _find_models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in typing.get_args(annotation) for model in _find_models(argument)]


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice. Plain YAML would silently keep the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (key_node, _) in zip(keys, node.value, strict=True):
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read keys and values of a YAML file. Nothing in it is executed.

    Raises:
        SpecificationError: The file does not exist, has a syntax error (named with its line) or a duplicate key, or
            holds no mapping.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text(), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecificationError(str(error), where=str(path), remedy="give a readable YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SpecificationError(
            str(getattr(error, "problem", error)), where=f"{path}{line}", remedy="correct the YAML syntax there"
        ) from error
    if not isinstance(content, dict):
        raise SpecificationError("the file holds no keys", where=str(path), remedy="see `atnn init` for an example")
    return content
