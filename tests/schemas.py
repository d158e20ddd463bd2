"""A small judge of values by a JSON schema, which knows the keywords that ours use and refuses all others."""

from __future__ import annotations

from typing import Any

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
NOTES = {"title", "description", "default", "$schema", "$defs"}


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> bool:
    """Whether a value, as YAML gives it, fits the schema."""
    root = schema if root is None else root
    return all(_obeys(value, key, schema, root) for key in schema if key not in NOTES)


def _obeys(value: Any, key: str, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    given = schema[key]
    if key == "$ref":
        return fits(value, root["$defs"][given.removeprefix("#/$defs/")], root)
    if key == "type":
        return isinstance(value, TYPES[given]) and (given == "boolean" or not isinstance(value, bool))
    if key == "const":
        return value == given
    if key == "enum":
        return value in given
    if key in ("anyOf", "oneOf"):
        count = sum(fits(value, choice, root) for choice in given)
        return count == 1 if key == "oneOf" else count > 0
    if key in ("required", "properties", "additionalProperties", "propertyNames", "minProperties"):
        return not isinstance(value, dict) or _obeys_as_object(value, key, schema, root)
    if key in ("items", "prefixItems", "minItems", "maxItems"):
        return not isinstance(value, list) or _obeys_as_array(value, key, schema, root)
    return isinstance(value, bool) or not isinstance(value, int | float) or _obeys_as_number(value, key, given)


def _obeys_as_object(value: dict[str, Any], key: str, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    given = schema[key]
    if key == "required":
        return set(given) <= set(value)
    if key == "properties":
        return all(fits(value[name], part, root) for name, part in given.items() if name in value)
    if key == "propertyNames":
        return all(fits(name, given, root) for name in value)
    if key == "minProperties":
        return len(value) >= given
    others = [item for name, item in value.items() if name not in schema.get("properties", {})]
    return not others if given is False else all(fits(item, given, root) for item in others)


def _obeys_as_array(value: list[Any], key: str, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    given = schema[key]
    if key == "prefixItems":
        return all(fits(item, part, root) for item, part in zip(value, given, strict=False))
    if key == "items":
        return all(fits(item, given, root) for item in value[len(schema.get("prefixItems", [])) :])
    return len(value) >= given if key == "minItems" else len(value) <= given


def _obeys_as_number(value: float, key: str, given: float) -> bool:
    return {
        "minimum": lambda: value >= given,
        "maximum": lambda: value <= given,
        "exclusiveMinimum": lambda: value > given,
        "exclusiveMaximum": lambda: value < given,
        "multipleOf": lambda: value % given == 0,
    }[key]()
