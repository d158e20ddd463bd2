"""Specifications are validated, frozen descriptions of components. They are read from YAML and stored as JSON."""

from __future__ import annotations

import reprlib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from atnn.documents import parse_yaml, read_text
from atnn.errors import DataError, SpecificationError, suggest

# Widths of the layers of a network.
Widths = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(max_length=16)]
_SHOWN = reprlib.Repr()
_SHOWN.maxlevel, _SHOWN.maxstring, _SHOWN.maxother = 3, 80, 80


class Specification(BaseModel):
    """Base of every specification. They are immutable, unknown keys are errors, and numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_disguised_numbers(cls, value: Any, info: Any) -> Any:
        # pydantic would take true for 1, and "1_0" for 10.
        kinds = _find_kinds(cls.model_fields[info.field_name or ""].annotation)
        if kinds <= {int, float, type(None)}:
            for item in value if isinstance(value, list | tuple) else [value]:
                if isinstance(item, bool | str):
                    raise ValueError("this is no number; write one without quotes, e.g. 10 or 1.0e-3")
        return value


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
    except UnicodeEncodeError as error:  # of pydantic, which keeps text as UTF-8
        raise SpecificationError(
            f"a text holds half of a character, {error.object[error.start : error.end]!r}",
            where=where,
            remedy="write the character itself",
        ) from None
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
        name = given.get("name") if isinstance(given, Mapping) else value
        if not isinstance(given, Mapping) or not isinstance(name, str) or name not in registry:
            known = f"{suggest(name, registry)}known: {', '.join(sorted(registry))}"
            raise SpecificationError(
                f"`{info.field_name}` = {_SHOWN.repr(name)} is not the name of {what}",
                remedy=f"{known}; or import the module that registers it",
            )
        return parse(registry[name], given, path=f"{info.field_name}.{given['name']}")

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
        f"`{path or specification.__name__}` = {_SHOWN.repr(problem['input'])}: {message}",
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


def _find_kinds(annotation: Any) -> set[Any]:
    """Find the types of the values that an annotation allows."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _find_kinds(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) is typing.Literal:
        return {type(value) for value in typing.get_args(annotation)}
    inner = [_find_kinds(argument) for argument in typing.get_args(annotation) if argument is not Ellipsis]
    return set().union(*inner) if inner else {annotation}


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read keys and values of a YAML file. Nothing in it is executed.

    Raises:
        SpecificationError: The file does not exist, is no UTF-8, has a syntax error (named with its line) or a
            duplicate key, or holds no mapping.
    """
    try:
        return parse_yaml(read_text(path), str(path))
    except DataError as error:
        raise SpecificationError(error.what, where=error.where, remedy=error.remedy) from error
