"""What a JSON Schema says of a field, as the cells of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from docs.generators.markdown import code, listed, plain

__all__ = ["Schema", "anchor_of", "default_of", "is_wrapper", "meaning_of", "type_of"]

_PATTERNS = {r"^[a-z0-9][a-z0-9-]{0,62}$": "name", r"^[0-9a-f-]{36}$": "id"}
Schema = Mapping[str, Any]


def meaning_of(field: Schema, whole: Schema) -> str:
    """Return the field's own description, or else that of what it holds."""
    if "const" in field:
        return "Says which kind it is."
    for part in (field, field.get("items", {}), field.get("additionalProperties", {})):
        if "description" in part:
            return plain(part["description"])
        if "$ref" in part:
            return plain(whole["$defs"][part["$ref"].rsplit("/", 1)[-1]].get("description", ""))
    return ""


def default_of(name: str, field: Schema, required: Sequence[str]) -> str:
    """Return what holds where a field is left out."""
    if name in required:
        return "**required**"
    if "default" not in field:
        return "empty"
    default = field["default"]
    if "$ref" in field and isinstance(default, dict):
        return "its defaults"
    return "empty" if default in ("", [], {}) else code(json.dumps(default, ensure_ascii=False).strip('"'))


def type_of(stem: str, field: Schema, whole: Schema) -> str:
    """Return what a field may hold, with links to what it is made of."""
    if "$ref" in field:
        return _reference(stem, field["$ref"], whole)
    for union in ("oneOf", "anyOf"):
        if union in field:
            tagged = field.get("discriminator", {}).get("mapping", {})
            names = list(dict.fromkeys(type_of(stem, option, whole) for option in field[union]))
            if names[1:] == [f"list of {names[0]}"]:
                return f"{names[0]}, or a list of them"
            keys = [key for option in field[union] for key in _only_key(option, whole)]
            if len(keys) > 1 and len(keys) == len(field[union]):
                return f"one [condition](#{anchor_of(stem, 'keys')})"
            chosen = f"by `{field['discriminator']['propertyName']}`: " if tagged else ""
            return chosen + " or ".join(names)
    if "const" in field:
        const = field["const"]
        return code(json.dumps(const) if isinstance(const, bool) else const)
    if "enum" in field:
        return "one of " + listed(field["enum"])
    if field.get("type") == "array":
        return f"list of {type_of(stem, field.get('items', {}), whole)}"
    if field.get("type") == "object":
        named = [*field.get("patternProperties", {}).values(), field.get("additionalProperties", {})]
        return f"map of name → {type_of(stem, named[0], whole)}"
    return _scalar(field)


def _scalar(field: Schema) -> str:
    if field.get("type") == "null":
        return "null"
    if "7d" in field.get("examples", []):
        return "duration"
    if field.get("pattern") in _PATTERNS:
        return _PATTERNS[field["pattern"]]
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]}" for key, sign in signs.items() if key in field]
    named = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false"}
    pattern = f" matching `{field['pattern']}`".replace("|", "\\|") if "pattern" in field else ""
    return named.get(field.get("type", ""), "anything") + (f" {', '.join(bounds)}" if bounds else "") + pattern


def _reference(stem: str, reference: str, whole: Schema) -> str:
    name = reference.rsplit("/", 1)[-1]
    target = whole["$defs"][name]
    return "one of " + listed(target["enum"]) if "enum" in target else f"[{name}](#{anchor_of(stem, name)})"


def _only_key(option: Schema, whole: Schema) -> list[str]:
    target = whole["$defs"][option["$ref"].rsplit("/", 1)[-1]] if "$ref" in option else {}
    return list(target["properties"])[:1] if is_wrapper(target) else []


def is_wrapper(part: Schema) -> bool:
    """Whether a definition is a map of exactly one key, which its description begins with; perhaps with ``of``."""
    keys = list(part.get("properties", {}))
    is_one = len(keys) == 1 or keys[1:] == ["of"]
    return is_one and str(part.get("description", "")).startswith(f"``{keys[0]}``")


def anchor_of(stem: str, name: str) -> str:
    """Return the anchor of a definition: several files may have one of the same name."""
    return f"{stem}-{name}".lower()
