"""JSON schemas of the OpenAPI document in words and tables."""

from collections.abc import Mapping
from typing import Any

from docs.generate.markdown import anchor, code, table

Json = Mapping[str, Any]

_BOUNDS = {
    "minimum": ">= {}", "exclusiveMinimum": "> {}", "maximum": "<= {}", "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters", "maxLength": "at most {} characters",
    "minItems": "at least {}", "maxItems": "at most {}",
}  # fmt: skip


def type_of(schema: Json, *, page: str = "schemas.md") -> str:
    """What a value may be, such as `integer >= 0, or null`; other schemas are links into `page`."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}]({page}#{anchor(name)})"
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            kinds = [type_of(one, page=page) for one in schema[choice]]
            return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    if "const" in schema:
        return code(schema["const"])
    return _plain_type(schema, page=page)


def fields_table(schema: Json, *, page: str = "schemas.md") -> str:
    """A row a property: name, type, whether it must be there or what it is without, meaning."""
    needed = schema.get("required", ())
    rows = [
        (code(name), type_of(field, page=page), _otherwise(name in needed, field), field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]
    return table(("field", "type", "default", "meaning"), rows)


def schemas_page(schemas: Json) -> str:
    """Every schema of the document, by name."""
    parts = [
        "# Bodies and answers",
        "What the JSON of the HTTP interface holds, by name. Made from the OpenAPI document.",
    ]
    for name in sorted(schemas):
        schema = schemas[name]
        parts += [f"## {name}", schema.get("description", "")]
        parts.append(fields_table(schema) if schema.get("properties") else type_of(schema))
    return "\n\n".join(part for part in parts if part) + "\n"


def _plain_type(schema: Json, *, page: str) -> str:
    kind = schema.get("type", "any JSON")
    if kind == "array":
        inner = schema.get("items") or {"anyOf": schema.get("prefixItems", [{}])}
        return f"list of {type_of(inner, page=page)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {type_of(schema['additionalProperties'], page=page)}"
    if schema.get("format") == "binary":
        return "file"
    bounds = [words.format(schema[name]) for name, words in _BOUNDS.items() if name in schema]
    return " ".join([str(kind), ", ".join(bounds)]).strip()


def _otherwise(needed: bool, field: Json) -> str:
    if needed:
        return "required"
    value = field.get("default")
    return code(str(value).lower() if isinstance(value, bool) else value)
