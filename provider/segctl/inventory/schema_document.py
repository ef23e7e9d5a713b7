"""The JSON Schema of the segctl variables, made from their table."""

from __future__ import annotations

from typing import Final

from segctl.inventory.schema import (
    BATCH_PATTERN,
    CLOCK_PATTERN,
    HOST,
    ID_PATTERN,
    LEVELS,
    SITE_WIDE,
    SITE_WIDE_DOCS,
)
from segctl.inventory.shapes import (
    Cases,
    Either,
    Field,
    Free,
    Many,
    Record,
    Scalar,
    Shape,
    Table,
)
from segctl.model.durations import WHOLE_PATTERN

_FORMATS: Final[dict[str, dict[str, object]]] = {
    "id": {"type": "string", "pattern": ID_PATTERN},
    "text": {"type": ["string", "integer"], "pattern": r"^[^\u0000-\u001f\u007f]*$"},
    "word": {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f\"'`]+$"},
    "user": {"type": "string", "pattern": r"^[^\u0000-\u001f\u007f\"'`]+$"},
    "reference": {"type": "string", "minLength": 1},
    "network": {"type": "string", "minLength": 1},
    "address": {"type": "string", "minLength": 1},
    "service": {"type": "string"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "window": {"type": "string"},
    "path": {"type": "string", "minLength": 1},
    "duration": {"type": ["string", "integer"], "pattern": WHOLE_PATTERN, "minimum": 0},
    "clock": {"type": "string", "pattern": CLOCK_PATTERN},
    "timezone": {"type": "string", "minLength": 1},
    "batch": {"type": ["string", "integer"], "pattern": BATCH_PATTERN},
    "percent": {
        "type": ["string", "number"],
        "pattern": "^[0-9]{1,3}([.][0-9]+)?%?$",
        "minimum": 0,
        "maximum": 100,
    },
    "endpoint": {"type": "string", "pattern": r"^(\[[^\[\]\s]+\]|[^\[\]\s:]+):[0-9]{1,5}$"},
    "host": {"type": "string", "pattern": r"^(?!-)[^\[\]\s/@]+$"},
    "answer": {"type": ["string", "integer"], "pattern": r"^[^\u0000-\u001f\u007f]*$"},
    "tags": {"type": ["string", "integer"], "pattern": r"^[^\u0000-\u001f\u007f]*$"},
}


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of variable files with segctl variables."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:segctl:schema:inventory",
        "title": "segctl variables in Ansible group_vars and host_vars",
        **variables_schema(),
    }


def variables_schema(more: tuple[Field, ...] = ()) -> dict[str, object]:
    """Return the schema of a mapping of variables, in which `more` may stand too."""
    properties = {field.name: _property(field) for field in (*HOST.fields, *more)}
    patterns = {
        f"^{name}": {"description": SITE_WIDE_DOCS[name], **schema_of(shape)}
        for name, shape in SITE_WIDE.items()
    }
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": patterns
        | {_unknown_pattern(tuple(properties), tuple(SITE_WIDE)): False},
    }


def _unknown_pattern(names: tuple[str, ...], prefixes: tuple[str, ...]) -> str:
    exact = "|".join(name.removeprefix("segctl_") + "$" for name in names)
    begins = "|".join(prefix.removeprefix("segctl_") for prefix in prefixes)
    return f"^segctl_(?!{exact}|{begins})"


def _property(field: Field) -> dict[str, object]:
    return {"description": field.doc, **schema_of(field.shape)}


def schema_of(shape: Shape) -> dict[str, object]:
    """Return the JSON Schema of a shape."""
    match shape:
        case Scalar():
            return _scalar_schema(shape)
        case Many():
            return _many_schema(shape)
        case Table():
            return {
                "type": "object",
                "propertyNames": schema_of(shape.key),
                "additionalProperties": schema_of(shape.item),
            }
        case Record():
            return _record_schema(shape)
        case Either():
            return {"anyOf": [schema_of(shape.plain), schema_of(shape.mapping)]}
        case Cases():
            return {"oneOf": [schema_of(record) for record in shape.records]}
        case Free():
            return {"type": "object"}


def _record_schema(shape: Record) -> dict[str, object]:
    schema: dict[str, object] = {
        "type": ["object", "null"] if shape.or_nothing else "object",
        "properties": {field.name: _property(field) for field in shape.fields},
        "additionalProperties": False,
    }
    required = [field.name for field in shape.fields if field.required]
    return schema | {"required": required} if required else schema


def _many_schema(shape: Many) -> dict[str, object]:
    item = schema_of(shape.item)
    listed: dict[str, object] = {"type": "array", "items": item}
    if shape.not_empty:
        listed["minItems"] = 1
    return {"anyOf": [item, listed]} if shape.or_one else listed


def _scalar_schema(shape: Scalar) -> dict[str, object]:
    if shape.kind == "number":
        return {"enum": [float(choice) if "." in choice else int(choice) for choice in LEVELS]}
    if shape.kind == "choice":
        return {"enum": list(shape.choices)}
    schema = dict(_FORMATS[shape.kind])
    if shape.pattern:
        schema["pattern"] = shape.pattern
    if shape.minimum is not None:
        schema["minimum"] = shape.minimum
    if shape.maximum is not None:
        schema["maximum"] = shape.maximum
    return schema
